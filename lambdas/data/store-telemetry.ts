/**
 * Stores a batch of readings, each exactly once, for ever: one statement, one round trip, one transaction.
 *
 * - `machine_ledger` holds one bit per seq ever stored. It outlives the partitions, so a redelivery is known even when
 *   its reading is long dropped.
 * - Advisory locks, one per bucket of machines, are taken in ascending order and held to commit. Two consumers with the
 *   same messages run one after the other, and the second sees what the first has stored (READ COMMITTED: the statement
 *   after the lock has a newer snapshot).
 * - `machine_state` is last-write-wins for each tag by (timestamp, seq), because a message may carry only the tags that
 *   changed: the result is the same in whatever order messages arrive, and late data never replaces newer.
 * - A reading of a day that is no longer hot is only judged: `duplicate` when the ledger knows it, else
 *   `timestamp_too_old`.
 */
import type pg from 'pg'
import type { MachineState } from '../../schemas/live.ts'
import type { TelemetryV1 } from '../../schemas/telemetry.ts'

export interface ReadingToStore extends Pick<TelemetryV1, 'timestamp' | 'seq' | 'values' | 'quality'> {
  tenantId: string
  machineId: string
  receivedAt: number
}

export type Outcome = 'new' | 'duplicate' | 'seq_conflict' | 'timestamp_too_old'

export interface StoredTelemetry {
  /** In the order of the readings given. */
  outcomes: Outcome[]
  /** State after the batch of each machine whose state it has changed, by the machine's id. */
  states: Map<string, MachineState>
  /** Of these states: greater than that of any state which these machines had before. */
  revision: number
}

/** A row says what became of a reading, or (without `idx`) gives a state that was put together from several readings. */
interface Row {
  idx: number | null
  /** `current`: new, and now the whole state of its machine. */
  outcome: Outcome | 'current' | 'state'
  state: (MachineState & { machineId: string; quality: MachineState['quality'] | null }) | null
  revision: number
}

/** `oldest`: epoch ms, the lower bound of the oldest hot day. */
export async function storeTelemetry(
  pool: pg.Pool,
  readings: ReadingToStore[],
  oldest: number,
): Promise<StoredTelemetry> {
  const { rows } = await pool.query<Row>({
    name: 'store_telemetry',
    text: 'select idx, outcome, state, revision from store_telemetry($1, $2, $3, $4, $5, $6, $7, $8)',
    values: [
      readings.map((reading) => reading.tenantId),
      readings.map((reading) => reading.machineId),
      readings.map((reading) => reading.seq),
      readings.map((reading) => reading.timestamp),
      readings.map((reading) => reading.receivedAt),
      readings.map((reading) => JSON.stringify(reading.values)),
      readings.map((reading) => (reading.quality === undefined ? null : JSON.stringify(reading.quality))),
      oldest,
    ],
  })
  const outcomes: Outcome[] = []
  const states = new Map<string, MachineState>()
  for (const { idx, outcome, state } of rows) {
    if (idx === null) {
      const { machineId, quality, ...rest } = state!
      states.set(machineId, { ...rest, ...(quality && { quality }) })
      continue
    }
    const reading = readings[idx - 1]!
    outcomes[idx - 1] = outcome === 'current' ? 'new' : (outcome as Outcome)
    if (outcome === 'current') states.set(reading.machineId, stateOf(reading))
  }
  return { outcomes, states, revision: rows[0]?.revision ?? 0 }
}

function stateOf({ timestamp, seq, receivedAt, values, quality }: ReadingToStore): MachineState {
  return { timestamp, seq, receivedAt, values, ...(quality && { quality }) }
}
