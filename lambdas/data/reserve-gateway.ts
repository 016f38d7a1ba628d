import type { Kysely, Transaction } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import type { Database } from './database.ts'
import { inTenant } from './tenant-transaction.ts'
import { writeAudit } from './write-audit.ts'

/** Longer than any request lasts: before, the call that made the gateway may still be at it. */
const SETTLED_AFTER_MS = 60_000

interface Reservation {
  tenantId: string
  plantId: string
  thingName: string
  userId: string
  requestId: string
}

/**
 * Takes the name for a new gateway, before anything is made in AWS. A gateway of this plant that was never enrolled and
 * has no token that still works is taken up again: its creation had stopped half-way, or nobody came to enrol it in time.
 * Undefined when the name is taken, be it by another tenant.
 */
export function reserveGateway(db: Kysely<Database>, reservation: Reservation): Promise<string | undefined> {
  const { tenantId, plantId, thingName, userId, requestId } = reservation
  return inTenant(db, tenantId, async (transaction) => {
    const gatewayId = uuidv7()
    const inserted = await transaction
      .insertInto('gateways')
      .values({
        id: gatewayId,
        tenant_id: tenantId,
        plant_id: plantId,
        thing_name: thingName,
        created_at: Date.now(),
        created_by: userId,
      })
      .onConflict((conflict) => conflict.column('thing_name').doNothing())
      .returning('id')
      .executeTakeFirst()
    if (inserted === undefined) return idle(transaction, tenantId, plantId, thingName)
    await writeAudit(transaction, {
      tenantId,
      userId,
      requestId,
      action: 'gateway.create',
      subject: thingName,
      after: { plantId },
    })
    return gatewayId
  })
}

async function idle(transaction: Transaction<Database>, tenantId: string, plantId: string, thingName: string) {
  const row = await withoutWorkingToken(transaction, tenantId)
    .where('thing_name', '=', thingName)
    .where('plant_id', '=', plantId)
    .where('created_at', '<', Date.now() - SETTLED_AFTER_MS)
    .executeTakeFirst()
  return row?.id
}

function withoutWorkingToken(transaction: Transaction<Database>, tenantId: string) {
  return transaction
    .selectFrom('gateways')
    .select('gateways.id')
    .where('gateways.tenant_id', '=', tenantId)
    .where('gateways.lifecycle', '=', 'created')
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('enrolments')
            .select('enrolments.id')
            .whereRef('enrolments.gateway_id', '=', 'gateways.id')
            .where('enrolments.expires_at', '>', Date.now()),
        ),
      ),
    )
}

/** Takes a reservation back. A gateway that has got a working token in the meantime stays. */
export function removeReservation(
  db: Kysely<Database>,
  gatewayId: string,
  { tenantId, thingName, userId, requestId }: Reservation,
): Promise<void> {
  return inTenant(db, tenantId, async (transaction) => {
    const removed = await transaction
      .deleteFrom('gateways')
      .where('id', 'in', withoutWorkingToken(transaction, tenantId).where('gateways.id', '=', gatewayId))
      .executeTakeFirst()
    if (removed.numDeletedRows === 0n) return
    await writeAudit(transaction, { tenantId, userId, requestId, action: 'gateway.create_undone', subject: thingName })
  })
}

/** Names of the tenant's gateways that begin so. */
export async function thingNamesWith(db: Kysely<Database>, tenantId: string, prefix: string): Promise<Set<string>> {
  const rows = await inTenant(db, tenantId, (transaction) =>
    transaction
      .selectFrom('gateways')
      .select('thing_name')
      .where('tenant_id', '=', tenantId)
      .where((eb) => eb.fn('starts_with', ['thing_name', eb.val(prefix)]), '=', true)
      .execute(),
  )
  return new Set(rows.map((row) => row.thing_name))
}
