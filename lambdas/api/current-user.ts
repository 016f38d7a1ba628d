import { cacheUser, readCachedUser } from '../data/cached-user.ts'
import { findUser, isSessionOver, type User } from '../data/find-user.ts'
import { noteSeen } from '../data/users.ts'
import { ApiError } from './problem.ts'
import type { Services } from './services.ts'

/** What the authorizer has verified. */
export interface Identity {
  uid: string
  /** Epoch seconds of the sign-in. */
  authTime: number
}

const SEEN_AGAIN_AFTER_MS = 3_600_000

/**
 * The user behind a verified Firebase token. API Gateway remembers the authorizer's answer for a minute, so what ends a
 * user's access at once is compared here. One who is not known is never cached, so that a new user gets in at once.
 * Throws ApiError: 403 for an unknown or disabled one, 401 for one who has been signed out since.
 */
export async function currentUser({ db, redis }: Services, { uid, authTime }: Identity): Promise<User> {
  const cached = await readCachedUser(redis, uid)
  const user = cached ?? (await findUser(db, uid))
  if (user === undefined)
    throw new ApiError('forbidden', 'Your account belongs to no company here. Ask your administrator.')
  if (user.disabledAt !== null) throw new ApiError('forbidden', 'Your account is disabled. Ask your administrator.')
  if (isSessionOver(user, authTime)) throw new ApiError('unauthenticated', 'You were signed out. Sign in again.')
  if (cached === undefined) {
    if ((user.lastSeenAt ?? 0) < Date.now() - SEEN_AGAIN_AFTER_MS) await noteSeen(db, user)
    await cacheUser(redis, user)
  }
  return user
}
