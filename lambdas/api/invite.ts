import type { User } from '../data/find-user.ts'
import { inTenant } from '../data/tenant-transaction.ts'
import { findAccount, nameAccount } from '../data/users.ts'
import { writeAudit } from '../data/write-audit.ts'
import type { InvitedUser } from '../../schemas/people.ts'
import { askAccounts } from './ask-accounts.ts'
import { notFound } from './problem.ts'
import type { Services } from './services.ts'

/**
 * Makes sure that there is an account, and a link to set its password. The link is written down before the mail goes: a mail
 * that names an account which is not a user's yet would lead nowhere. Repeatable at each step.
 */
export async function invite(
  services: Services,
  { tenantId, userId: adminId, plantAccess, locale }: User,
  { userId, email }: { userId: string; email: string },
  requestId: string,
): Promise<InvitedUser> {
  const by = { tenantId, userId: adminId, requestId }
  const unavailable = 'Accounts cannot be made at the moment; nobody was invited. Try again.'
  const { uid, link } = await askAccounts(services, unavailable, async (accounts) => {
    const account = await accounts.ensure(email)
    return { uid: account.uid, link: await accounts.invitationLink(email) }
  })
  const user = await inTenant(services.db, tenantId, async (transaction) => {
    await nameAccount(transaction, by, { userId, firebaseUid: uid, invitedAt: Date.now() })
    await writeAudit(transaction, { ...by, action: 'user.invite', subject: email })
    return findAccount(transaction, tenantId, plantAccess, userId)
  })
  if (user === undefined) throw notFound()
  const mailed = await askAccounts(services, unavailable, (accounts) => accounts.mailInvitation(email, locale))
  return { user: user.account, invitation: { link, mailed } }
}
