import * as v from 'valibot'
import { ChangeUser, UserAccount } from '../../../schemas/people.ts'
import { forgetUsers } from '../../data/cached-user.ts'
import { changeUser } from '../../data/change-user.ts'
import { closeConnections } from '../../data/close-connections.ts'
import { findAccount, mayGive } from '../../data/users.ts'
import { logger } from '../../runtime/frame.ts'
import { askAccounts } from '../ask-accounts.ts'
import { userVersion } from '../object-versions.ts'
import { ApiError, notFound } from '../problem.ts'
import { changeRoute } from '../route.ts'
import type { Services } from '../services.ts'

/**
 * Takes effect at once: the row decides, the copy of it in Redis goes with it, and open sockets are closed. Firebase is
 * told in any case, so that who repeats a call makes up for one that it has missed. Disabling never waits for it.
 */
export const route = changeRoute({
  method: 'PATCH',
  path: '/v1/users/{userId}',
  operationId: 'changeUser',
  summary: "Changes a person's role or plants, disables or enables; open live sockets are closed",
  params: v.object({ userId: v.pipe(v.string(), v.uuid()) }),
  body: ChangeUser,
  answer: { status: 200, schema: UserAccount },
  version: userVersion,
  async handle({ params: { userId }, body, requestId, services, user, transaction, mustMatch, afterCommit }) {
    const { tenantId, plantAccess } = user
    const by = { tenantId, userId: user.userId, requestId }
    if (body.plantAccess && !(await mayGive(transaction, tenantId, plantAccess, body.plantAccess))) throw notFound()
    const done = await changeUser(transaction, by, plantAccess, userId, body, (before) =>
      mustMatch(userVersion(before)),
    )
    if (done === 'not_found') throw notFound()
    if (done === 'last_admin') throw lastAdmin()
    const { firebaseUid, changed } = done
    if (firebaseUid !== null && body.disabled === false) {
      await askAccounts(
        services,
        'Accounts cannot be enabled at the moment; nothing was changed. Try again.',
        (accounts) => accounts.setDisabled(firebaseUid, false),
      )
    }
    await forgetUsers(services.redis, [done])
    if (changed) afterCommit(() => closeConnections(services, userId))
    if (firebaseUid !== null && body.disabled === true) afterCommit(() => disableAccount(services, firebaseUid))
    return (await findAccount(transaction, tenantId, plantAccess, userId))!.account
  },
})

/** The user is out without it. */
async function disableAccount({ accounts }: Services, firebaseUid: string): Promise<void> {
  try {
    const opened = await accounts()
    await opened.setDisabled(firebaseUid, true)
    await opened.endSessions(firebaseUid)
  } catch (error) {
    logger.error('Firebase has not disabled the account of a disabled user', { firebaseUid, error: error as Error })
  }
}

function lastAdmin(): ApiError {
  return new ApiError(
    'conflict',
    'Your company would be left without an admin of all its plants. Make somebody else one first.',
  )
}
