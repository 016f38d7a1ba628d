import type { Redis } from '../runtime/redis.ts'

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
export async function takeTokens(client: Client, buckets: RateBucket[], now: number): Promise<number> {
  const times = buckets.flatMap(({ perSecond, burst }) => [1000 / perSecond, (1000 / perSecond) * burst])
  const wait = await client.eval(TAKE, {
    keys: buckets.map(({ key }) => key),
    arguments: [now, ...times].map(String),
  })
  return Math.max(0, Number(wait))
}

/** 0 when the bucket has a token, which stays in it; else the ms until it has one. */
export async function msUntilToken(
  client: Client,
  { key, perSecond, burst }: RateBucket,
  now: number,
): Promise<number> {
  const fullAt = Math.max(Number((await client.get(key)) ?? 0), now)
  return Math.max(0, Math.ceil(fullAt - now - ((burst - 1) * 1000) / perSecond))
}
