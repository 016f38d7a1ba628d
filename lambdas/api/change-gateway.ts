import type { Kysely } from 'kysely'
import type { Database } from '../data/database.ts'
import { GatewayBusy, type GatewayRef, holdingLease, takeLease } from '../data/gateway-lease.ts'
import { ApiError, notFound } from './problem.ts'

/** Runs a sequence with the gateway's lease. Throws ApiError: 409 with Retry-After while another one runs, 404 when the gateway is gone. */
export async function changeGateway<Result>(
  db: Kysely<Database>,
  gateway: GatewayRef,
  sequence: () => Promise<Result>,
): Promise<Result> {
  const until = await takeLease(db, gateway).catch((error: unknown) => {
    throw error instanceof GatewayBusy ? busy(error) : error
  })
  if (until === undefined) throw notFound()
  return holdingLease(db, gateway, until, sequence)
}

function busy({ retryAfterSec }: GatewayBusy): ApiError {
  const headers = { 'retry-after': String(retryAfterSec) }
  return new ApiError('conflict', 'This gateway is being changed at the moment. Try again in half a minute.', {
    headers,
  })
}
