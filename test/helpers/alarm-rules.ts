import type pg from 'pg'
import { v7 as uuidv7 } from 'uuid'
import type { AlarmCondition } from '../../schemas/alarms.ts'
import type { TestPlant } from './plant.ts'

export interface RuleInput {
  condition: AlarmCondition
  tag?: string
  machine?: string
  delayOnMs?: number
  delayOffMs?: number
  allPlants?: boolean
  severity?: string
  message?: string
}

/** A rule of the plant as the API would have made it, enabled and settled. Returns its id. */
export async function createAlarmRule(
  master: pg.Pool,
  { tenantId, plantId }: Pick<TestPlant, 'tenantId' | 'plantId'>,
  rule: RuleInput,
): Promise<string> {
  const { condition, tag, machine = '*', delayOnMs = 0, delayOffMs = 0, allPlants = false } = rule
  const { severity = 'high', message } = rule
  const id = uuidv7()
  const { rows } = await master.query<{ version: number }>(
    'update tenants set alarm_rules_version = alarm_rules_version + 1 where id = $1 returning alarm_rules_version as version',
    [tenantId],
  )
  await master.query(
    `insert into alarm_rules (id, tenant_id, plant_id, name, machine, tag, condition, delay_on_ms, delay_off_ms, severity, message,
       version, enabled, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, true, 0, 0)`,
    [
      ...[id, tenantId, allPlants ? null : plantId, condition.kind, machine, tag ?? null, JSON.stringify(condition)],
      ...[delayOnMs, delayOffMs, severity, message ?? null, rows[0]!.version],
    ],
  )
  return id
}
