import { type RawBuilder, sql, type SqlBool } from 'kysely'
import type { PlantAccess } from '../../schemas/api.ts'

/** Condition that the plant in `column` is one of the user's. Belongs into every query that a user causes. */
export function visiblePlant(
  access: PlantAccess,
  column:
    | 'plants.id'
    | `${'machines' | 'gateways' | 'quarantine' | 'audit_log' | 'alarms' | 'alarm_rules' | 'alarm_webhooks'}.plant_id`,
): RawBuilder<SqlBool> {
  return access === 'all' ? sql<SqlBool>`true` : sql<SqlBool>`${sql.ref(column)} = any(${access}::uuid[])`
}
