import { type Kysely, type Selectable, sql, type SqlBool } from 'kysely'
import type { AlarmRule, CreateAlarmRule } from '../../schemas/alarm-requests.ts'
import type { PlantAccess } from '../../schemas/api.ts'
import type { AlarmRules, Database } from './database.ts'
import { visiblePlant } from './visible-plants.ts'

/** Rules of the plants that the user may see, and those of all plants. */
export const visibleRule = (access: PlantAccess) =>
  sql<SqlBool>`(${visiblePlant(access, 'alarm_rules.plant_id')} or alarm_rules.plant_id is null)`

/** With what its patterns match now. Narrow it by id. A pattern has no character that `like` reads in another way. */
function rulesOf(db: Kysely<Database>, tenantId: string, access: PlantAccess) {
  return db
    .selectFrom('alarm_rules')
    .selectAll('alarm_rules')
    .select((eb) => [
      eb
        .selectFrom('machines')
        .select((count) => count.fn.countAll<number>().as('n'))
        .whereRef('machines.tenant_id', '=', 'alarm_rules.tenant_id')
        .where(visiblePlant(access, 'machines.plant_id'))
        .where('machines.status', '<>', 'retired')
        .where(sql<SqlBool>`machines.plant_id = coalesce(alarm_rules.plant_id, machines.plant_id)
          and machines.slug like replace(alarm_rules.machine, '*', '%')
          and alarm_rules.condition ->> 'kind' <> 'gateway_offline'`)
        .as('machines'),
      eb
        .selectFrom('gateways')
        .select((count) => count.fn.countAll<number>().as('n'))
        .whereRef('gateways.tenant_id', '=', 'alarm_rules.tenant_id')
        .where(visiblePlant(access, 'gateways.plant_id'))
        .where(sql<SqlBool>`gateways.plant_id = coalesce(alarm_rules.plant_id, gateways.plant_id)
          and alarm_rules.condition ->> 'kind' = 'gateway_offline'`)
        .as('gateways'),
      eb
        .selectFrom('alarms')
        .select((count) => count.fn.countAll<number>().as('n'))
        .whereRef('alarms.tenant_id', '=', 'alarm_rules.tenant_id')
        .whereRef('alarms.rule_id', '=', 'alarm_rules.id')
        .where('closed_at', 'is', null)
        .where(visiblePlant(access, 'alarms.plant_id'))
        .as('open'),
    ])
    .where('alarm_rules.tenant_id', '=', tenantId)
    .where(visibleRule(access))
}

type Row = Awaited<ReturnType<ReturnType<typeof rulesOf>['executeTakeFirstOrThrow']>>

/** What people write of a rule. */
export const writtenRule = (row: Selectable<AlarmRules>): CreateAlarmRule => ({
  ...{ name: row.name, plantId: row.plant_id, machine: row.machine, tag: row.tag, condition: row.condition },
  ...{ delayOnMs: row.delay_on_ms, delayOffMs: row.delay_off_ms, severity: row.severity },
  ...{ message: row.message, enabled: row.enabled },
})

const ruleOf = (row: Row): AlarmRule => ({
  ruleId: row.id,
  ...writtenRule(row),
  matches: { machines: row.machines ?? 0, gateways: row.gateways ?? 0 },
  ...{ openAlarms: row.open ?? 0, createdAt: row.created_at, updatedAt: row.updated_at },
})

/** By name, and by id where the names are equal. */
export async function listAlarmRules(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
  { limit, after }: { limit: number; after: { name: string; id: string } | undefined },
): Promise<AlarmRule[]> {
  const rows = await rulesOf(db, tenantId, access)
    .$if(after !== undefined, (query) =>
      query.where(sql<SqlBool>`(alarm_rules.name, alarm_rules.id) > (${after!.name}, ${after!.id}::uuid)`),
    )
    .orderBy('alarm_rules.name')
    .orderBy('alarm_rules.id')
    .limit(limit)
    .execute()
  return rows.map(ruleOf)
}

/** Undefined when there is none, or none that the user may see. */
export async function findAlarmRule(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
  ruleId: string,
): Promise<AlarmRule | undefined> {
  const row = await rulesOf(db, tenantId, access).where('alarm_rules.id', '=', ruleId).executeTakeFirst()
  return row && ruleOf(row)
}
