import { type Kysely, sql } from 'kysely'
import type { AlarmCondition } from '../../schemas/alarms.ts'
import type { Database } from './database.ts'

/** An enabled rule, as those who evaluate it know it. */
export interface EnabledRule {
  ruleId: string
  /** Of its last change: who knows an older one writes nothing for it. */
  version: number
  tenantId: string
  /** Null: all plants. */
  plantId: string | null
  name: string
  machine: string
  tag: string | null
  condition: AlarmCondition
  delayOnMs: number
  delayOffMs: number
  message: string | null
}

/** Counts the changes of each tenant's rules. */
export async function readRuleVersions(db: Kysely<Database>, tenantIds: string[]): Promise<Map<string, number>> {
  const { rows } = await sql<{ id: string; version: number }>`
    select id, alarm_rules_version as version from tenants where id = any(${tenantIds}::uuid[])`.execute(db)
  return new Map(rows.map(({ id, version }) => [id, version]))
}

/** Those that are enabled. */
export async function readAlarmRules(db: Kysely<Database>, tenantIds: string[]): Promise<EnabledRule[]> {
  const { rows } = await sql<EnabledRule>`
    select id as "ruleId", version, tenant_id as "tenantId", plant_id as "plantId", name, machine, tag, condition,
      delay_on_ms as "delayOnMs", delay_off_ms as "delayOffMs", message
    from alarm_rules where tenant_id = any(${tenantIds}::uuid[]) and enabled order by id`.execute(db)
  return rows
}
