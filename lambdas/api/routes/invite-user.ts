import * as v from 'valibot'
import { InvitedUser } from '../../../schemas/people.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { findAccount } from '../../data/users.ts'
import { invite } from '../invite.ts'
import { ApiError, notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'POST',
  path: '/v1/users/{userId}/invite',
  operationId: 'inviteUser',
  summary: 'Invites a person again who has not signed in yet: another mail and another link to set a password',
  params: v.object({ userId: v.pipe(v.string(), v.uuid()) }),
  answer: { status: 200, schema: InvitedUser },
  async handle({ params: { userId }, requestId, services, user }) {
    const { tenantId, plantAccess } = user
    const found = await inTenant(services.db, tenantId, (transaction) =>
      findAccount(transaction, tenantId, plantAccess, userId),
    )
    if (found === undefined) throw notFound()
    if (found.account.lastSeenAt !== null) throw isHere()
    if (found.account.disabled) throw new ApiError('conflict', 'This user is disabled. Enable the user first.')
    return invite(services, user, found.account, requestId)
  },
})

/** By the link an admin could set the password of a colleague, and do in that one's name what the audit log then says. */
const isHere = () =>
  new ApiError(
    'conflict',
    'This person has signed in already, and gets a new password by "Forgotten password" on the sign-in page.',
  )
