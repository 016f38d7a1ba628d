/** What people do with an alarm: each in the transaction of its entries in the alarm's history and in the audit log. */
import { sql, type Transaction } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import type { AlarmEvent } from '../../schemas/alarm-requests.ts'
import type { PlantAccess } from '../../schemas/api.ts'
import type { Alarms, Database } from './database.ts'
import { visiblePlant } from './visible-plants.ts'
import { type Author, writeAudit } from './write-audit.ts'

type Row = Pick<
  Alarms,
  'rule_name' | 'plant_id' | 'source' | 'cleared_at' | 'acknowledged_at' | 'suppressed' | 'closed_at'
>
type Change = Partial<
  Pick<
    Alarms,
    | ('acknowledged_at' | 'acknowledged_by' | 'comment')
    | ('suppressed' | 'suppressed_since' | 'suppressed_until' | 'suppressed_reason' | 'suppressed_by')
  >
>

export interface AlarmAction {
  /** In the alarm's history. */
  event: AlarmEvent['event']
  /** `alarm.{verb}` in the audit log. */
  verb: string
  /** Reason or comment. */
  text: string | null
  /** Undefined: nothing is to be done. Throws to keep the alarm as it is. */
  change: (before: Row, now: number) => Change | undefined
}

/** False when there is no such alarm that the user may see. One that has ended, was seen and is not suppressed is closed by it. */
export async function changeAlarm(
  transaction: Transaction<Database>,
  by: Author,
  access: PlantAccess,
  alarmId: string,
  { event, verb, text, change }: AlarmAction,
): Promise<boolean> {
  const before = await transaction
    .selectFrom('alarms')
    .select(['rule_name', 'plant_id', 'source', 'cleared_at', 'acknowledged_at', 'suppressed', 'closed_at'])
    .where('tenant_id', '=', by.tenantId)
    .where('id', '=', alarmId)
    .where(visiblePlant(access, 'alarms.plant_id'))
    .forUpdate()
    .executeTakeFirst()
  if (before === undefined) return false
  const now = Date.now()
  const changed = change(before, now)
  if (changed === undefined) return true
  const after = { ...before, ...changed }
  const isOver = after.cleared_at !== null && after.acknowledged_at !== null && after.suppressed === null
  await transaction
    .updateTable('alarms')
    .set({ ...changed, closed_at: isOver ? now : null, revision: sql`revision + 1` })
    .where('tenant_id', '=', by.tenantId)
    .where('id', '=', alarmId)
    .execute()
  const { tenantId, userId } = by
  await transaction
    .insertInto('alarm_events')
    .values({
      id: uuidv7(),
      tenant_id: tenantId,
      alarm_id: alarmId,
      at: now,
      event,
      user_id: userId,
      text,
      value: null,
    })
    .execute()
  const entry = { ...by, plantId: before.plant_id, action: `alarm.${verb}`, subject: before.rule_name }
  await writeAudit(transaction, { ...entry, after: { alarmId, ...(text !== null && { text }) } })
  return true
}
