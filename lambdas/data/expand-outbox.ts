/**
 * From what is to be told to whom. A row of the outbox becomes a delivery for each person who wants it and each webhook of its plant, once;
 * of a flood only the first ones do, and the sweep sums up the rest.
 */
import { type Kysely, sql } from 'kysely'
import type { QuietHours } from '../../schemas/alarm-requests.ts'
import type { Severity } from '../../schemas/alarms.ts'
import type { Database } from './database.ts'

/** Alarms of a plant that are told one by one in FLOOD_MS; more is a flood by ISA-18.2 (10 in 10 minutes for an operator). */
export const FLOOD_LIMIT = 10
export const FLOOD_MS = 600_000

export interface Receiver {
  outboxId: string
  target: string
  severity: Severity
  /** Of a person. */
  quietHours: QuietHours | null
}

/** Severities in their order. */
const rank = (column: string) => sql.raw(`array_position(array['low', 'medium', 'high', 'critical'], ${column})`)

/** Makes the deliveries of rows that nobody has taken. `isQuiet`: who is not to be disturbed now. Returns what is due. */
export async function expandOutbox(
  db: Kysely<Database>,
  outboxIds: string[],
  isQuiet: (receiver: Receiver) => boolean,
): Promise<{ due: Receiver[]; withheld: number }> {
  return db.transaction().execute(async (transaction) => {
    const now = Date.now()
    const taken = await sql<{ id: string; withheld: boolean }>`
      with mine as (
        select o.id from alarm_outbox o where o.id = any(${outboxIds}::uuid[]) and o.taken_at is null order by o.id for update skip locked
      )
      update alarm_outbox o set taken_at = ${now}, withheld = case o.type
        when 'raised' then (
          select count(*) from alarm_outbox p where p.plant_id = o.plant_id and p.type = 'raised'
            and p.created_at > o.created_at - ${FLOOD_MS} and (p.created_at, p.id) <= (o.created_at, o.id)) > ${FLOOD_LIMIT}
        -- Nobody is told of the end of what they were not told of.
        when 'cleared' then coalesce((
          select p.withheld or p.taken_at is null from alarm_outbox p where p.alarm_id = o.alarm_id and p.type = 'raised'
            and (p.created_at, p.id) < (o.created_at, o.id) order by p.created_at desc, p.id desc limit 1), false)
        else false end
      from mine where o.id = mine.id
      returning o.id, o.withheld`.execute(transaction)
    const told = taken.rows.filter(({ withheld }) => !withheld).map(({ id }) => id)
    if (told.length === 0) return { due: [], withheld: taken.rows.length }
    const { rows } = await sql<Receiver>`
      with told as (
        select o.id, o.tenant_id, o.plant_id, o.type, coalesce(a.severity, (
          select key from jsonb_each(o.details) order by ${rank('key')} desc limit 1)) as severity
        from alarm_outbox o join tenants t on t.id = o.tenant_id and t.disabled_at is null
        left join alarms a on a.id = o.alarm_id
        where o.id = any(${told}::uuid[])
      )
      select o.id as "outboxId", 'user:' || u.id as target, o.severity, n.quiet_hours as "quietHours"
      from told o join users u on u.tenant_id = o.tenant_id and u.disabled_at is null
        and (u.all_plants or o.plant_id = any(u.plant_ids))
      join notification_choices n on n.user_id = u.id
      where ${rank('o.severity')} >= ${rank('n.email_from')} and (o.type <> 'cleared' or n.email_when_cleared)
      union all
      select o.id, 'webhook:' || w.id, o.severity, null
      from told o join alarm_webhooks w on w.tenant_id = o.tenant_id and w.enabled
        and (w.plant_id is null or w.plant_id = o.plant_id)
      where ${rank('o.severity')} >= ${rank('w.severity_from')}`.execute(transaction)
    const due = rows.filter((receiver) => !isQuiet(receiver))
    if (due.length > 0) {
      await sql`
        insert into alarm_deliveries (outbox_id, target, tenant_id, state, created_at)
        select d."outboxId", d.target, o.tenant_id, 'due', ${now}
        from jsonb_to_recordset(${JSON.stringify(due)}::jsonb) d("outboxId" uuid, target text)
        join alarm_outbox o on o.id = d."outboxId" on conflict do nothing`.execute(transaction)
    }
    return { due, withheld: taken.rows.length - told.length }
  })
}
