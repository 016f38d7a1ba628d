/** Changes of alarm rules. Each counts the tenant's version up, under the lock of the tenant's row: consumers then load the rules anew. */
import { type Kysely, sql, type Transaction } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import { type AlarmEvent, type CreateAlarmRule, MAX_RULES_PER_TENANT } from '../../schemas/alarm-requests.ts'
import type { PlantAccess } from '../../schemas/api.ts'
import { visibleRule, writtenRule } from './alarm-rules.ts'
import type { Database } from './database.ts'
import { type Author, writeAudit } from './write-audit.ts'

/** False when the tenant has as many rules as it may. */
export async function createAlarmRule(
  transaction: Transaction<Database>,
  by: Author,
  ruleId: string,
  rule: CreateAlarmRule,
): Promise<boolean> {
  const version = await nextVersion(transaction, by.tenantId)
  const { count } = await transaction
    .selectFrom('alarm_rules')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('tenant_id', '=', by.tenantId)
    .executeTakeFirstOrThrow()
  if (count >= MAX_RULES_PER_TENANT) return false
  const now = Date.now()
  await transaction
    .insertInto('alarm_rules')
    .values({
      ...{ id: ruleId, tenant_id: by.tenantId, ...columnsOf(rule), version, unsettled_since: now },
      ...{ created_at: now, created_by: by.userId, updated_at: now, updated_by: by.userId },
    })
    .execute()
  const entry = { ...by, ...ofPlant(rule), action: 'alarm_rule.create', subject: rule.name }
  await writeAudit(transaction, { ...entry, after: rule })
  return true
}

/**
 * `change` gives the rule as it is to be, or throws to keep it. Undefined when there is no such rule that the user may see; else the
 * ids of the alarms that end because the rule looks elsewhere now.
 */
export async function changeAlarmRule(
  transaction: Transaction<Database>,
  by: Author,
  access: PlantAccess,
  ruleId: string,
  change: (before: CreateAlarmRule) => CreateAlarmRule,
): Promise<string[] | undefined> {
  const before = await lockRule(transaction, by.tenantId, access, ruleId)
  if (before === undefined) return undefined
  const after = change(before)
  const version = await nextVersion(transaction, by.tenantId)
  const now = Date.now()
  await transaction
    .updateTable('alarm_rules')
    .set({ ...columnsOf(after), version, unsettled_since: now, updated_at: now, updated_by: by.userId })
    .where('tenant_id', '=', by.tenantId)
    .where('id', '=', ruleId)
    .execute()
  const entry = { ...by, ...ofPlant(after), action: 'alarm_rule.change', subject: after.name }
  await writeAudit(transaction, { ...entry, before, after })
  const looksAt = ({ plantId, machine, tag, condition, enabled }: CreateAlarmRule) =>
    JSON.stringify([plantId, machine, tag, condition, enabled])
  return looksAt(before) === looksAt(after) ? [] : endAlarms(transaction, by, ruleId, 'rule_changed', now)
}

/** As changeAlarmRule: `check` throws to keep it. */
export async function deleteAlarmRule(
  transaction: Transaction<Database>,
  by: Author,
  access: PlantAccess,
  ruleId: string,
  check: (before: CreateAlarmRule) => void,
): Promise<string[] | undefined> {
  const before = await lockRule(transaction, by.tenantId, access, ruleId)
  if (before === undefined) return undefined
  check(before)
  await nextVersion(transaction, by.tenantId)
  const ended = await endAlarms(transaction, by, ruleId, 'rule_deleted', Date.now())
  await transaction.deleteFrom('alarm_rules').where('tenant_id', '=', by.tenantId).where('id', '=', ruleId).execute()
  const entry = { ...by, ...ofPlant(before), action: 'alarm_rule.delete', subject: before.name }
  await writeAudit(transaction, { ...entry, before })
  return ended
}

/** The lock keeps consumers from writing for the rule until the change is committed: write-alarm-changes.ts. */
async function lockRule(
  transaction: Transaction<Database>,
  tenantId: string,
  access: PlantAccess,
  ruleId: string,
): Promise<CreateAlarmRule | undefined> {
  const row = await transaction
    .selectFrom('alarm_rules')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('id', '=', ruleId)
    .where(visibleRule(access))
    .forUpdate()
    .executeTakeFirst()
  return row && writtenRule(row)
}

async function nextVersion(db: Kysely<Database>, tenantId: string): Promise<number> {
  const { alarm_rules_version } = await db
    .updateTable('tenants')
    .set({ alarm_rules_version: sql`alarm_rules_version + 1` })
    .where('id', '=', tenantId)
    .returning('alarm_rules_version')
    .executeTakeFirstOrThrow()
  return alarm_rules_version
}

/** Nobody has to acknowledge what nobody watches any more. */
async function endAlarms(
  transaction: Transaction<Database>,
  { tenantId, userId }: Author,
  ruleId: string,
  event: AlarmEvent['event'],
  now: number,
): Promise<string[]> {
  await transaction
    .deleteFrom('alarm_conditions')
    .where('tenant_id', '=', tenantId)
    .where('rule_id', '=', ruleId)
    .execute()
  const ended = await transaction
    .updateTable('alarms')
    .set({
      cleared_at: sql`coalesce(cleared_at, ${now})`,
      closed_at: now,
      suppressed: null,
      revision: sql`revision + 1`,
    })
    .where('tenant_id', '=', tenantId)
    .where('rule_id', '=', ruleId)
    .where('closed_at', 'is', null)
    .returning('id')
    .execute()
  if (ended.length === 0) return []
  await transaction
    .insertInto('alarm_events')
    .values(
      ended.map(({ id }) => ({
        ...{ id: uuidv7(), tenant_id: tenantId, alarm_id: id, at: now, event },
        ...{ user_id: userId, value: null, text: null },
      })),
    )
    .execute()
  return ended.map(({ id }) => id)
}

const columnsOf = (rule: CreateAlarmRule) => ({
  ...{ plant_id: rule.plantId, name: rule.name, machine: rule.machine, tag: rule.tag },
  ...{ condition: JSON.stringify(rule.condition), severity: rule.severity, message: rule.message },
  ...{ delay_on_ms: rule.delayOnMs, delay_off_ms: rule.delayOffMs, enabled: rule.enabled },
})

const ofPlant = ({ plantId }: CreateAlarmRule) => (plantId === null ? {} : { plantId })
