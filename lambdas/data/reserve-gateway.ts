import type { ExpressionBuilder, Kysely } from 'kysely'
import type { Database } from './database.ts'
import { inTenant } from './tenant-transaction.ts'
import { writeAudit } from './write-audit.ts'

interface Reservation {
  tenantId: string
  plantId: string
  thingName: string
  userId: string
  requestId: string
  /** Of the gateway, when it is made. */
  newId: string
}

/**
 * Takes the name for a new gateway, and its lease until then (epoch ms), before anything is made in AWS. Undefined when it is
 * taken, be it by another tenant.
 */
export function reserveGateway(
  db: Kysely<Database>,
  reservation: Reservation,
  leaseEnd: number,
): Promise<string | undefined> {
  const { tenantId, plantId, thingName, userId, requestId, newId: gatewayId } = reservation
  return inTenant(db, tenantId, async (transaction) => {
    const inserted = await transaction
      .insertInto('gateways')
      .values({
        id: gatewayId,
        tenant_id: tenantId,
        plant_id: plantId,
        thing_name: thingName,
        busy_until: leaseEnd,
        created_at: Date.now(),
        created_by: userId,
      })
      .onConflict((conflict) => conflict.column('thing_name').doNothing())
      .returning('id')
      .executeTakeFirst()
    if (inserted === undefined) return undefined
    await writeAudit(transaction, {
      tenantId,
      userId,
      requestId,
      plantId,
      action: 'gateway.create',
      subject: thingName,
      after: { plantId },
    })
    return gatewayId
  })
}

/**
 * A gateway of this plant that waits for its enrolment: its token was lost or ran out, its creation had stopped half-way, or it
 * was revoked. Undefined when there is none of that name.
 */
export function findUnenrolledGateway(
  db: Kysely<Database>,
  { tenantId, plantId, thingName }: Pick<Reservation, 'tenantId' | 'plantId' | 'thingName'>,
): Promise<string | undefined> {
  return inTenant(db, tenantId, async (transaction) => {
    const row = await transaction
      .selectFrom('gateways')
      .select('id')
      .where('tenant_id', '=', tenantId)
      .where('plant_id', '=', plantId)
      .where('thing_name', '=', thingName)
      .where('lifecycle', 'in', ['created', 'revoked'])
      .where('delete_requested_at', 'is', null)
      .executeTakeFirst()
    return row?.id
  })
}

const tokensOf = (eb: ExpressionBuilder<Database, 'gateways'>) =>
  eb.selectFrom('enrolments').select('enrolments.id').whereRef('enrolments.gateway_id', '=', 'gateways.id')

/** Takes a reservation back. A gateway that has got a token in the meantime stays. */
export function removeReservation(
  db: Kysely<Database>,
  gatewayId: string,
  { tenantId, thingName, userId, requestId }: Omit<Reservation, 'newId' | 'plantId'>,
): Promise<void> {
  return inTenant(db, tenantId, async (transaction) => {
    const removed = await transaction
      .deleteFrom('gateways')
      .where('tenant_id', '=', tenantId)
      .where('id', '=', gatewayId)
      .where((eb) => eb.not(eb.exists(tokensOf(eb))))
      .returning('plant_id as plantId')
      .executeTakeFirst()
    if (removed === undefined) return
    const entry = { tenantId, userId, requestId, action: 'gateway.create_undone', subject: thingName }
    await writeAudit(transaction, { ...entry, plantId: removed.plantId })
  })
}

/** Name of the gateway of this id, which an earlier attempt of the same request has reserved. */
export async function findReservation(db: Kysely<Database>, tenantId: string, id: string): Promise<string | undefined> {
  const row = await inTenant(db, tenantId, (transaction) =>
    transaction
      .selectFrom('gateways')
      .select('thing_name')
      .where('tenant_id', '=', tenantId)
      .where('id', '=', id)
      .executeTakeFirst(),
  )
  return row?.thing_name
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
