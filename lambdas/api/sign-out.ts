import { forgetUsers } from '../data/cached-user.ts'
import { closeConnections } from '../data/close-connections.ts'
import { endSessions } from '../data/users.ts'
import type { Author } from '../data/write-audit.ts'
import { logger } from '../runtime/frame.ts'
import type { ChangeCall } from './route.ts'

type Call = Pick<ChangeCall<never, never, never>, 'transaction' | 'afterCommit' | 'services'>

interface SignedOut {
  userId: string
  email: string
  firebaseUid: string | null
}

/**
 * Everywhere: tokens that are out are refused from now on, and so are those that Firebase would still make out of a session of
 * before; sockets are closed. That Firebase ends its sessions too is not what it depends on, so a failure there is logged.
 */
export async function signOut({ transaction, afterCommit, services }: Call, by: Author, user: SignedOut) {
  await endSessions(transaction, by, user)
  await forgetUsers(services.redis, [user])
  afterCommit(() => closeConnections(services, user.userId))
  const { firebaseUid } = user
  if (firebaseUid === null) return
  afterCommit(async () => {
    try {
      await (await services.accounts()).endSessions(firebaseUid)
    } catch (error) {
      logger.error('Firebase has not ended the sessions of a user', { userId: user.userId, error: error as Error })
    }
  })
}
