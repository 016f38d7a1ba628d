import { logger, metrics } from '../runtime/frame.ts'
import { type Redis, RedisUnavailable } from '../runtime/redis.ts'

type Client = Parameters<Parameters<Redis['use']>[0]>[0]

/** Holds `burst` tokens when full, and gets `perSecond` new ones in a second. */
export interface RateBucket {
  key: string
  perSecond: number
  burst: number
}

/**
 * A bucket is one number: the time at which it will be full again. Nothing is taken from any when one is empty.
 * KEYS: buckets. ARGV: now in ms, then for each the ms that a token takes and the ms that all take.
 */
const TAKE = `
local now, wait, full_at = tonumber(ARGV[1]), 0, {}
for i, key in ipairs(KEYS) do
  local token, whole = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  full_at[i] = math.max(tonumber(redis.call('get', key) or 0), now) + token
  wait = math.max(wait, full_at[i] - now - whole)
end
if wait <= 0 then
  for i, key in ipairs(KEYS) do redis.call('set', key, full_at[i], 'px', math.ceil(full_at[i] - now) + 1) end
end
return math.ceil(wait)`

/** 0 when there was a token in each bucket, which now are taken; else the ms until there will be. */
export function takeTokens(redis: Redis, buckets: RateBucket[]): Promise<number> {
  return unlessAway(redis, async (client) => {
    const times = buckets.flatMap(({ perSecond, burst }) => [1000 / perSecond, (1000 / perSecond) * burst])
    const wait = await client.eval(TAKE, {
      keys: buckets.map(({ key }) => key),
      arguments: [Date.now(), ...times].map(String),
    })
    return Math.max(0, Number(wait))
  })
}

/** 0 when the bucket has a token, which stays in it; else the ms until it has one. */
export function msUntilToken(redis: Redis, { key, perSecond, burst }: RateBucket): Promise<number> {
  return unlessAway(redis, async (client) => {
    const now = Date.now()
    const fullAt = Math.max(Number((await client.get(key)) ?? 0), now)
    return Math.max(0, Math.ceil(fullAt - now - ((burst - 1) * 1000) / perSecond))
  })
}

/** Without Redis everybody is let pass, and counted: a limit is to protect the service, not to end it. */
async function unlessAway(redis: Redis, ask: (client: Client) => Promise<number>): Promise<number> {
  try {
    return await redis.use(ask)
  } catch (error) {
    if (!(error instanceof RedisUnavailable)) throw error
    logger.warn('Redis is away, no rate is limited', { reason: error.message })
    metrics.addMetric('RateNotLimited', 'Count', 1)
    return 0
  }
}
