/** Users as the API knows them, in Redis for a minute. Postgres is the truth: without Redis it is asked each time. */
import * as v from 'valibot'
import { logger } from '../runtime/frame.ts'
import { type Redis, RedisUnavailable } from '../runtime/redis.ts'
import { User } from './find-user.ts'

const CACHE_SEC = 60
/** Longer than any request lasts: until then one that has read the row as it was may want to write it here. */
const CHANGED_SEC = 30
const CHANGED = 'changed'

const userKey = (firebaseUid: string) => `user:${firebaseUid}`

/** What an older version of this code has stored in another form counts as not stored. */
export async function readCachedUser(redis: Redis, firebaseUid: string): Promise<User | undefined> {
  const text = await unlessAway(() => redis.use((client) => client.get(userKey(firebaseUid))))
  const result = v.safeParse(v.pipe(v.string(), v.parseJson(), User), text)
  return result.success ? result.output : undefined
}

/** Not over what is there: that may be the mark of a change which this reader has not seen. */
export async function cacheUser(redis: Redis, user: User): Promise<void> {
  const options = { condition: 'NX', expiration: { type: 'EX', value: CACHE_SEC } } as const
  await unlessAway(() => redis.use((client) => client.set(userKey(user.firebaseUid), JSON.stringify(user), options)))
}

/**
 * Call it before the commit of a change: whoever asks from then on is answered from Postgres, and whoever has read the
 * row before can no longer store it.
 */
export async function forgetUsers(redis: Redis, users: { firebaseUid: string | null }[]): Promise<void> {
  const expiration = { type: 'EX', value: CHANGED_SEC } as const
  const keys = users.flatMap(({ firebaseUid }) => (firebaseUid === null ? [] : [userKey(firebaseUid)]))
  await unlessAway(() =>
    redis.use((client) => Promise.all(keys.map((key) => client.set(key, CHANGED, { expiration })))),
  )
}

async function unlessAway<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof RedisUnavailable)) throw error
    logger.warn('Redis is away: users are read from Postgres, and a change is seen within a minute', {
      reason: error.message,
    })
    return undefined
  }
}
