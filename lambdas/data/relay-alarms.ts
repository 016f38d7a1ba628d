/** What the sweep does for the outbox: what nobody has told, floods, shelves that end, and rows that are old. */
import { type Kysely, sql } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import type { AlarmWorkItem } from '../../schemas/queues.ts'
import type { Database } from './database.ts'
import { FLOOD_MS } from './expand-outbox.ts'

/** The writer tells at once; after so long it has died, or the queue was away. */
const UNTOLD_AFTER_MS = 10_000
/** The consumer makes a message of each delivery at once; one that was never tried has none. */
const UNTRIED_AFTER_MS = 120_000
const KEPT_MS = 7 * 86_400_000
const AT_ONCE = 1_000

/** Rows that wait, with their alarms, and deliveries that no message speaks of. */
export async function readUntold(db: Kysely<Database>, now: number) {
  const { rows } = await sql<{ outboxId: string; alarmId: string | null }>`
    select id as "outboxId", alarm_id as "alarmId" from alarm_outbox
    where taken_at is null and created_at < ${now - UNTOLD_AFTER_MS} order by created_at limit ${AT_ONCE}`.execute(db)
  const untried = await sql<Extract<AlarmWorkItem, { target: string }>>`
    select outbox_id as "outboxId", target from alarm_deliveries
    where state = 'due' and attempts = 0 and created_at < ${now - UNTRIED_AFTER_MS} order by created_at limit ${AT_ONCE}`.execute(
    db,
  )
  return { rows, untried: untried.rows }
}

/** Writes one summary per plant whose alarms were withheld, at once and then every FLOOD_MS while it lasts. Returns their rows. */
export async function summariseFloods(db: Kysely<Database>, now: number): Promise<string[]> {
  return db.transaction().execute(async (transaction) => {
    const { rows } = await sql<{ tenantId: string; plantId: string; details: Record<string, number> }>`
      with counted as (
        update alarm_outbox o set summarised = true from alarms a
        where a.id = o.alarm_id and o.withheld and o.type = 'raised' and not o.summarised and not exists (
          select from alarm_outbox f where f.plant_id = o.plant_id and f.type = 'flood' and f.created_at > ${now - FLOOD_MS})
        returning o.tenant_id, o.plant_id, a.severity
      )
      select tenant_id as "tenantId", plant_id as "plantId", jsonb_object_agg(severity, n) as details
      from (select tenant_id, plant_id, severity, count(*) as n from counted group by 1, 2, 3) c
      group by 1, 2`.execute(transaction)
    const ids: string[] = []
    for (const { tenantId, plantId, details } of rows) {
      const id = uuidv7()
      ids.push(id)
      await transaction
        .insertInto('alarm_outbox')
        .values({
          ...{ id, tenant_id: tenantId, plant_id: plantId, alarm_id: null, type: 'flood' },
          ...{ details: JSON.stringify(details), created_at: now, taken_at: null },
        })
        .execute()
    }
    return ids
  })
}

/** Shows alarms again whose shelf has ended; those that are over and were seen are closed. Returns their ids. */
export async function endShelves(db: Kysely<Database>, now: number): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    with ended as (
      update alarms set suppressed = null, suppressed_since = null, suppressed_until = null, suppressed_reason = null,
        suppressed_by = null, revision = revision + 1,
        closed_at = case when cleared_at is not null and acknowledged_at is not null then ${now}::int8 end
      where suppressed = 'shelved' and suppressed_until <= ${now} and closed_at is null
      returning id, tenant_id
    )
    insert into alarm_events (id, tenant_id, alarm_id, at, event)
    select gen_random_uuid(), tenant_id, id, ${now}, 'shelf_ended' from ended returning alarm_id as id`.execute(db)
  return rows.map(({ id }) => id)
}

/** Deliveries go with their rows. */
export async function forgetOldOutbox(db: Kysely<Database>, now: number): Promise<void> {
  await sql`
    delete from alarm_outbox where id in (
      select id from alarm_outbox where created_at < ${now - KEPT_MS} limit 10000)`.execute(db)
}
