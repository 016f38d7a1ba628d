import { msUntilToken, takeTokens } from '../data/rate-buckets.ts'
import { metrics } from '../runtime/frame.ts'
import type { ApiError } from './problem.ts'
import { rateLimited } from './rate-limit.ts'
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
  const waitMs = await msUntilToken(redis, bucket)
  if (waitMs > 0) {
    metrics.addMetric('GuessesSlowedDown', 'Count', 1)
    throw rateLimited('Too many wrong tokens or signatures came from your address. Wait as Retry-After says.', waitMs)
  }
  const found = await find()
  if (found !== undefined) return found
  await takeTokens(redis, [bucket])
  throw refusal()
}
