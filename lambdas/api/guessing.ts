import { msUntilToken, takeTokens } from '../data/rate-buckets.ts'
import { logger, metrics } from '../runtime/frame.ts'
import { RedisUnavailable } from '../runtime/redis.ts'
import { ApiError } from './problem.ts'
import type { Services } from './services.ts'

/**
 * `find` gives what a secret stands for, or undefined for a wrong one. Throws ApiError: `refusal` for a wrong one, 429 with
 * Retry-After when too many came from the address. Right ones cost nothing, but wait
 * with the wrong ones of their address. Without Redis nobody is slowed down: the secrets have 256 bits.
 */
export async function guardSecret<Found>(
  { redis, rateLimits }: Services,
  sourceIp: string,
  refusal: () => ApiError,
  find: () => Promise<Found | undefined>,
): Promise<Found> {
  const bucket = { key: `wrong-secrets:${sourceIp}`, ...rateLimits.wrongSecret }
  const waitMs = await unlessAway(() => redis.use((client) => msUntilToken(client, bucket, Date.now())))
  if (waitMs > 0) {
    metrics.addMetric('GuessesSlowedDown', 'Count', 1)
    throw new ApiError(
      'rate_limited',
      'Too many wrong tokens or signatures came from your address. Wait as Retry-After says.',
      {
        headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) },
      },
    )
  }
  const found = await find()
  if (found !== undefined) return found
  await unlessAway(() => redis.use((client) => takeTokens(client, [bucket], Date.now())))
  throw refusal()
}

async function unlessAway(ask: () => Promise<number>): Promise<number> {
  try {
    return await ask()
  } catch (error) {
    if (!(error instanceof RedisUnavailable)) throw error
    logger.warn('Redis is away, no guessing is slowed down', { reason: error.message })
    metrics.addMetric('RateNotLimited', 'Count', 1)
    return 0
  }
}
