import { setTimeout as sleep } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import type { Database } from '../data/database.ts'
import { GatewayBusy, type GatewayRef, holdingLease, takeLease } from '../data/gateway-lease.ts'
import { ApiError, notFound } from './problem.ts'

const PATIENCE_MS = 3_000
const PAUSE_MS = 200

/** Runs a sequence with the gateway's lease. Throws ApiError: 409 with Retry-After while another one runs, 404 when the gateway is gone. */
export async function changeGateway<Result>(
  db: Kysely<Database>,
  gateway: GatewayRef,
  sequence: () => Promise<Result>,
): Promise<Result> {
  const until = await patiently(() => takeLease(db, gateway))
  if (until === undefined) throw notFound()
  return holdingLease(db, gateway, until, sequence)
}

/** A sequence takes a second or two: who comes meanwhile waits that long. */
async function patiently<Result>(take: () => Promise<Result>): Promise<Result> {
  const end = Date.now() + PATIENCE_MS
  for (;;) {
    try {
      return await take()
    } catch (error) {
      if (!(error instanceof GatewayBusy)) throw error
      if (Date.now() > end) throw busy(error)
      await sleep(PAUSE_MS)
    }
  }
}

function busy({ retryAfterSec }: GatewayBusy): ApiError {
  const headers = { 'retry-after': String(retryAfterSec) }
  return new ApiError('conflict', 'This gateway is being changed at the moment. Try again in half a minute.', {
    headers,
  })
}
