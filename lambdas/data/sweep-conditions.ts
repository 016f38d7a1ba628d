import type pg from 'pg'
import { type Kysely, sql } from 'kysely'
import type { StoredCondition } from './alarm-context.ts'
import type { Database } from './database.ts'

export interface SweptCondition extends StoredCondition {
  machineId: string | null
  /** Of its open alarm; null when there is none. */
  plantId: string | null
  /** Of a machine that sends no more. */
  isRetired: boolean
}

const COLUMNS = `c.rule_id as "ruleId", c.source, c.machine_id as "machineId", coalesce(m.status = 'retired', false) as "isRetired",
  (select a.plant_id from alarms a where a.rule_id = c.rule_id and a.source = c.source and a.closed_at is null) as "plantId",
  jsonb_build_object('phase', c.phase, 'since', c.since, 'endingSince', c.ending_since, 'value', c.value) as state`

/** False when another sweep is at it. Held to the end of the transaction. */
export async function lockSweep(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ ours: boolean }>('select pg_try_advisory_xact_lock(7003, 0) as ours')
  return rows[0]!.ours
}

/** What is not normal: of these rules, and of all others whose delay was over at `now`, or whose machine is retired. */
export async function readSweptConditions(
  client: pg.ClientBase,
  ruleIds: string[],
  now: number,
): Promise<SweptCondition[]> {
  const { rows } = await client.query<SweptCondition>(
    `select ${COLUMNS} from alarm_conditions c join alarm_rules r on r.id = c.rule_id
       left join machines m on m.id = c.machine_id
     where c.rule_id = any($1::uuid[]) or (c.phase = 'pending' and c.since + r.delay_on_ms <= $2)
       or c.ending_since + r.delay_off_ms <= $2 or m.status = 'retired'`,
    [ruleIds, now],
  )
  return rows
}

/** Machines by their ids, for messages. */
export async function readMachineNames(client: pg.ClientBase, machineIds: string[]) {
  const { rows } = await client.query<{
    machineId: string
    plantId: string
    plant: string
    slug: string
    name: string | null
    units: Record<string, string>
  }>(
    `select m.id as "machineId", m.plant_id as "plantId", p.slug as plant, m.slug, m.name, m.units
     from machines m join plants p on p.id = m.plant_id where m.id = any($1::uuid[])`,
    [machineIds],
  )
  return new Map(rows.map((row) => [row.machineId, row]))
}

/** Tenants with an enabled rule. */
export async function tenantsWithRules(db: Kysely<Database>): Promise<string[]> {
  const { rows } = await sql<{ tenantId: string }>`
    select distinct r.tenant_id as "tenantId" from alarm_rules r join tenants t on t.id = r.tenant_id
    where r.enabled and t.disabled_at is null`.execute(db)
  return rows.map(({ tenantId }) => tenantId)
}

/** Rules that were changed long enough ago for every consumer to know, and whose values have not been looked at since. */
export async function readUnsettled(db: Kysely<Database>, before: number): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from alarm_rules where unsettled_since < ${before} order by unsettled_since limit 100`.execute(db)
  return rows.map(({ id }) => id)
}

export async function markSettled(client: pg.ClientBase, rules: { ruleId: string; version: number }[]): Promise<void> {
  await client.query(
    `update alarm_rules r set unsettled_since = null from jsonb_to_recordset($1) x("ruleId" uuid, version int8)
     where r.id = x."ruleId" and r.version = x.version`,
    [JSON.stringify(rules)],
  )
}
