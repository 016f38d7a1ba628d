import type pg from 'pg'
import type { MachineState } from '../../schemas/live.ts'
import type { Scalar } from '../../schemas/telemetry.ts'
import { uuidArray } from './binary-array.ts'

/** A condition that is not normal. */
export interface StoredCondition {
  ruleId: string
  source: string
  state:
    | { phase: 'pending'; since: number; value: Scalar }
    | { phase: 'active'; since: number; endingSince: number | null; value: Scalar }
}

/** What was known of a machine before a batch. */
export interface KnownBefore {
  conditions: StoredCondition[]
  /** Of those asked for that have sent something before. `olderTags`: as in machine_state. */
  newest?: MachineState & { olderTags: Record<string, [number, number]> | null }
}

interface Row {
  machine_id: string
  ts: number | null
  seq: number
  received_at: number
  values: MachineState['values'] | null
  quality: MachineState['quality'] | null
  older_tags: Record<string, [number, number]> | null
  rule_id: string
  source: string
  phase: 'pending' | 'active'
  since: number
  ending_since: number | null
  value: Scalar
}

/**
 * Locks the machines, as the store of their readings does, and reads what is known of them; by their ids, only of those of which
 * something is. `newest`: of which the newest reading's place is wanted; `values`: with its values.
 */
export async function readAlarmContext(
  client: pg.ClientBase,
  machineIds: string[],
  { newest, values }: { newest: string[]; values: string[] },
): Promise<Map<string, KnownBefore>> {
  const { rows } = await client.query<Row>({
    name: 'alarm_context',
    text: 'select * from alarm_context($1, $2, $3)',
    values: [machineIds, newest, values].map(uuidArray),
  })
  const known = new Map<string, KnownBefore>()
  for (const row of rows) {
    let of = known.get(row.machine_id)
    if (of === undefined) known.set(row.machine_id, (of = { conditions: [] }))
    if (row.ts === null) {
      const { rule_id: ruleId, source, phase, since, ending_since: endingSince, value } = row
      const state = phase === 'pending' ? { phase, since, value } : { phase, since, endingSince, value }
      of.conditions.push({ ruleId, source, state })
    } else {
      const { ts: timestamp, seq, received_at: receivedAt, values: before, quality, older_tags: olderTags } = row
      of.newest = { timestamp, seq, receivedAt, values: before ?? {}, ...(quality && { quality }), olderTags }
    }
  }
  return known
}
