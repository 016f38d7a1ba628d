import * as v from 'valibot'
import { findUser, User } from '../data/find-user.ts'
import { logger } from '../runtime/frame.ts'
import { RedisUnavailable } from '../runtime/redis.ts'
import { ApiError } from './problem.ts'
import type { Services } from './services.ts'

const CACHE_SEC = 60

/**
 * The user behind a verified Firebase uid, at most a minute old. One who is not known is never cached, so that a new
 * user gets in at once. Throws ApiError (403) for an unknown or disabled one.
 */
export async function currentUser({ db, redis }: Services, firebaseUid: string): Promise<User> {
  const key = `user:${firebaseUid}`
  let user = await unlessAway(() => redis.use((client) => client.get(key)).then(readUser))
  if (user === undefined) {
    user = await findUser(db, firebaseUid)
    if (user !== undefined) {
      const text = JSON.stringify(user)
      await unlessAway(() =>
        redis.use((client) => client.set(key, text, { expiration: { type: 'EX', value: CACHE_SEC } })),
      )
    }
  }
  if (user === undefined)
    throw new ApiError('forbidden', 'Your account belongs to no company here. Ask your administrator.')
  if (user.disabledAt !== null) throw new ApiError('forbidden', 'Your account is disabled. Ask your administrator.')
  return user
}

/** What an older version of this function has stored in another form counts as not stored. */
function readUser(text: string | null): User | undefined {
  const result = v.safeParse(v.pipe(v.string(), v.parseJson(), User), text)
  return result.success ? result.output : undefined
}

/** Postgres is the truth: without Redis it is asked each time. */
async function unlessAway<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof RedisUnavailable)) throw error
    logger.warn('Redis is away, the user is read from Postgres', { reason: error.message })
    return undefined
  }
}
