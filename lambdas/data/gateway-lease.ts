import type { Kysely } from 'kysely'
import { logger } from '../runtime/frame.ts'
import type { Database } from './database.ts'
import { inTenant } from './tenant-transaction.ts'

/** Longer than the functions that take it may last (28 s), so that one who took it and is gone keeps nobody for long. */
const LEASE_MS = 30_000

export const newLeaseEnd = (): number => Date.now() + LEASE_MS

/** Somebody else is changing the gateway. `retryAfterSec` is when that is over at the latest. */
export class GatewayBusy extends Error {
  override name = 'GatewayBusy'
  readonly retryAfterSec = LEASE_MS / 1000
}

export interface GatewayRef {
  tenantId: string
  gatewayId: string
}

/**
 * The right to change a gateway in AWS IoT, until a moment (epoch ms): two sequences of calls at once would undo each other's
 * work. Throws GatewayBusy while somebody else has it. Undefined when the gateway is gone.
 */
export function takeLease(db: Kysely<Database>, { tenantId, gatewayId }: GatewayRef): Promise<number | undefined> {
  return inTenant(db, tenantId, async (transaction) => {
    const until = newLeaseEnd()
    const gateway = await transaction
      .selectFrom('gateways')
      .select('busy_until')
      .where('tenant_id', '=', tenantId)
      .where('id', '=', gatewayId)
      .forNoKeyUpdate()
      .executeTakeFirst()
    if (gateway === undefined) return undefined
    if ((gateway.busy_until ?? 0) > Date.now()) throw new GatewayBusy('The gateway is being changed')
    await transaction.updateTable('gateways').set({ busy_until: until }).where('id', '=', gatewayId).execute()
    return until
  })
}

/** Runs the sequence and gives the lease back, whatever comes of it. */
export async function holdingLease<Result>(
  db: Kysely<Database>,
  { tenantId, gatewayId }: GatewayRef,
  until: number,
  sequence: () => Promise<Result>,
): Promise<Result> {
  try {
    return await sequence()
  } finally {
    const giveBack = inTenant(db, tenantId, (transaction) =>
      transaction
        .updateTable('gateways')
        .set({ busy_until: null })
        .where('tenant_id', '=', tenantId)
        .where('id', '=', gatewayId)
        // One that has run out may be somebody else's by now.
        .where('busy_until', '=', until)
        .execute(),
    )
    await giveBack.catch((error: unknown) =>
      logger.warn('A gateway cannot be changed until the lease of it ends', { gatewayId, until, error }),
    )
  }
}
