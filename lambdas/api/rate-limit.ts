import type { User } from '../data/find-user.ts'
import { takeTokens } from '../data/rate-buckets.ts'
import { metricsOf } from '../runtime/frame.ts'
import { ApiError } from './problem.ts'
import type { Services } from './services.ts'

/** A page asks some 10 times when it opens and then once in seconds; a script that loads all machines asks as fast as it can. */
export const RATE_LIMITS = {
  user: { perSecond: 60, burst: 120 },
  tenant: { perSecond: 150, burst: 300 },
  /** Of an address, for enrolment tokens and gateways' signatures that are wrong: five at once, then one in a minute. */
  wrongSecret: { perSecond: 1 / 60, burst: 5 },
}
export type RateLimits = typeof RATE_LIMITS

/** Throws ApiError (429) when the user, or the whole company, has asked too often. */
export async function limitRate({ redis, rateLimits }: Services, user: User): Promise<void> {
  const buckets = [
    { key: `rate:user:${user.userId}`, ...rateLimits.user },
    { key: `rate:tenant:${user.tenantId}`, ...rateLimits.tenant },
  ]
  const waitMs = await takeTokens(redis, buckets)
  if (waitMs === 0) return
  metricsOf(user.tenantSlug).addMetric('RateLimited', 'Count', 1)
  throw rateLimited('You or your company have asked too often. Wait as Retry-After says.', waitMs)
}

export function rateLimited(detail: string, waitMs: number): ApiError {
  return new ApiError('rate_limited', detail, { headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) } })
}
