import type pg from 'pg'
import type { Scalar } from '../../schemas/telemetry.ts'
import type { StoredCondition } from './alarm-context.ts'

interface Source {
  ruleId: string
  version: number
  source: string
  plantId: string
  machineId: string | null
  sourceTag: string | null
}

/** What has come of a rule at a source, for the function of migration 0012-write-alarms. */
export interface AlarmChange extends Source {
  gatewayId: string | null
  /** Null: normal. */
  state: StoredCondition['state'] | null
  /** In their order; `id`: of the event, and of the alarm when it is a new one. */
  events: { id: string; type: 'raised' | 'cleared'; at: number; value: Scalar; message: string | null }[]
}

export interface LateAlarm extends Source {
  id: string
  message: string | null
  value: Scalar
  from: number
  to: number
  count: number
}

/** Alarms that have changed, and rows of the outbox that are to be told. */
export interface WrittenAlarms {
  alarmIds: string[]
  outboxIds: string[]
}

export const NOTHING_WRITTEN: WrittenAlarms = { alarmIds: [], outboxIds: [] }

/** In the transaction of what has caused it. */
export async function writeAlarmChanges(
  client: pg.ClientBase,
  changes: AlarmChange[],
  late: LateAlarm[],
): Promise<WrittenAlarms> {
  if (late.length > 0) await client.query('select note_late_alarms($1)', [JSON.stringify(late)])
  if (changes.length === 0) return NOTHING_WRITTEN
  const { rows } = await client.query<{ alarm_id: string; outbox_id: string | null }>(
    'select alarm_id, outbox_id from write_alarm_changes($1)',
    [JSON.stringify(changes)],
  )
  return {
    alarmIds: [...new Set(rows.map(({ alarm_id }) => alarm_id))],
    outboxIds: rows.flatMap(({ outbox_id }) => outbox_id ?? []),
  }
}
