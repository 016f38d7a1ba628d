/**
 * Stores a batch of readings, each exactly once, for ever: one statement, one round trip, one transaction. Repeats
 * within the batch, which are rare, follow in a second one: the ledger knows their first by then.
 *
 * - `machine_ledger` holds one bit per seq ever stored. It outlives the partitions, so a redelivery is known even when
 *   its reading is long dropped. A machine's newest block of it stands beside the state: a reading that follows the last
 *   ones, or comes a little late, then takes one update of one row, and its event.
 * - Advisory locks, one per bucket of machines, are taken in ascending order and held to commit. Two consumers with the
 *   same messages run one after the other, and the second sees what the first has stored (READ COMMITTED: the statement
 *   after the lock has a newer snapshot).
 * - `machine_state` is last-write-wins for each tag by (timestamp, seq), because a message may carry only the tags that
 *   changed: the result is the same in whatever order messages arrive, and late data never replaces newer.
 * - A reading of a day that is no longer hot is only judged: `duplicate` when the ledger knows it, else
 *   `timestamp_too_old`.
 */
import { createHash } from 'node:crypto'
import type pg from 'pg'
import { int8Array, uuidArray } from './binary-array.ts'
import type { MachineState } from '../../schemas/live.ts'
import type { TelemetryV1 } from '../../schemas/telemetry.ts'

export interface ReadingToStore extends Pick<TelemetryV1, 'timestamp' | 'seq' | 'values' | 'quality'> {
  tenantId: string
  machineId: string
  receivedAt: number
  /** `values` as JSON, there once it was asked for (valuesJsonOf): Postgres and Redis both get it. */
  valuesJson?: string
}

export const valuesJsonOf = (reading: ReadingToStore): string => (reading.valuesJson ??= JSON.stringify(reading.values))

export type Outcome = 'new' | 'duplicate' | 'seq_conflict' | 'timestamp_too_old'

export interface StoredTelemetry {
  /** In the order of the readings given. */
  outcomes: Outcome[]
  /** State after the batch of each machine whose state it has changed, by the machine's id. */
  states: Map<string, MachineState>
  /** Of these states: greater than that of any state which these machines had before. */
  revision: number
}

/** What the statement says of a batch: only what is not as usual. */
interface Row {
  /** Of a reading that is not new; counts from 1. */
  idx: number | null
  outcome: Exclude<Outcome, 'new'> | 'has_conditions'
  /** Whose state is not simply its whole reading: `state` is put together from several, or null when it has not changed. */
  machine: string | null
  state: (MachineState & { quality: MachineState['quality'] | null }) | null
  revision: number
  /** Readings, from 1, that leave their machine's state as it is. */
  unchanged: number[] | null
}

export const LOCK_BUCKETS = 256

/** Of a machine, as the statement takes them: the last byte of its id, which is random. */
export const lockBucket = (machineId: string): number => parseInt(machineId.slice(-2), 16)

/** A pool, or a connection whose transaction the store is to be part of. */
export type Connection = Pick<pg.Pool | pg.ClientBase, 'query'>

/** The function of the database; the second one is of migration 0012-write-alarms. */
type Statement = 'store_telemetry' | 'store_calm_telemetry'

/** Nothing was stored: these machines have conditions of alarms that are not normal. */
export class HasConditions extends Error {
  readonly machineIds: string[]

  constructor(machineIds: string[]) {
    super(`${String(machineIds.length)} machines have conditions that are not normal`)
    this.machineIds = machineIds
  }
}

/**
 * Of readings that meet no condition themselves: throws HasConditions when a machine of theirs has one that is not normal. Else it is
 * as storeTelemetry, and as quick.
 */
export const storeCalmTelemetry = (pool: Connection, readings: ReadingToStore[], oldest: number) =>
  storeTelemetry(pool, readings, oldest, 'store_calm_telemetry')

/** `oldest`: epoch ms, the lower bound of the oldest hot day. */
export async function storeTelemetry(
  pool: Connection,
  readings: ReadingToStore[],
  oldest: number,
  by: Statement = 'store_telemetry',
): Promise<StoredTelemetry> {
  const { firsts, wholes } = sortOut(readings, oldest)
  const notNew = new Map<ReadingToStore, Outcome>()
  const states = new Map<string, MachineState>()
  const unchanged = new Set<string>()
  const store = async (batch: ReadingToStore[], statement: Statement = by) => {
    const rows = await callStore(pool, statement, batch, wholes, oldest)
    if (rows[0]?.outcome === 'has_conditions') throw new HasConditions(rows.map(({ machine }) => machine!))
    for (const { idx, outcome, machine, state, unchanged: late } of rows) {
      if (idx !== null && outcome !== 'has_conditions') notNew.set(batch[idx - 1]!, outcome)
      if (machine !== null && state !== null) states.set(machine, stateOf(state))
      else if (machine !== null) unchanged.add(machine)
      for (const place of late ?? []) unchanged.add(batch[place - 1]!.machineId)
    }
    return rows[0]!.revision
  }
  const revision = await store([...firsts])
  // Never new: what they repeat has just been stored.
  if (firsts.size < readings.length)
    await store(
      readings.filter((reading) => !firsts.has(reading)),
      'store_telemetry',
    )
  for (const whole of wholes) {
    const { machineId } = whole
    if (!notNew.has(whole) && !unchanged.has(machineId) && !states.has(machineId)) states.set(machineId, stateOf(whole))
  }
  return {
    outcomes: readings.map((reading) => notNew.get(reading) ?? 'new'),
    states,
    revision,
  }
}

/**
 * `firsts`: one reading of each (machine, seq), a hot one if there is one; the others are its repeats. `wholes`: newest
 * readings of their machines, where the machine's other ones have no tag more and did not arrive later.
 */
function sortOut(readings: ReadingToStore[], oldest: number) {
  if (new Set(readings.map((reading) => reading.machineId)).size === readings.length) {
    const all = new Set(readings)
    return { firsts: all, wholes: all }
  }
  const firsts = new Set<ReadingToStore>()
  const wholes = new Set<ReadingToStore>()
  for (const ofMachine of Map.groupBy(readings, (reading) => reading.machineId).values()) {
    if (ofMachine.length === 1) {
      firsts.add(ofMachine[0]!)
      wholes.add(ofMachine[0]!)
      continue
    }
    const bySeq = new Map<number, ReadingToStore>()
    for (const reading of ofMachine) {
      const first = bySeq.get(reading.seq)
      if (!first || (first.timestamp < oldest && reading.timestamp >= oldest)) bySeq.set(reading.seq, reading)
    }
    for (const reading of bySeq.values()) firsts.add(reading)
    const newest = [...bySeq.values()].reduce((one, two) => (isOlder(one, two) ? two : one))
    const adds = (other: ReadingToStore) =>
      other.receivedAt > newest.receivedAt ||
      Object.keys(other.values).some((tag) => !Object.hasOwn(newest.values, tag))
    if (!ofMachine.some(adds)) wholes.add(newest)
  }
  return { firsts, wholes }
}

const isOlder = (one: ReadingToStore, two: ReadingToStore) =>
  one.timestamp < two.timestamp || (one.timestamp === two.timestamp && one.seq < two.seq)

async function callStore(
  pool: Connection,
  statement: Statement,
  readings: ReadingToStore[],
  wholes: Set<ReadingToStore>,
  oldest: number,
): Promise<Row[]> {
  const { rows } = await pool.query<Row>({
    name: statement,
    text: `select idx, outcome, machine, state, revision, unchanged from ${statement}($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    values: [
      uuidArray(readings.map((reading) => reading.tenantId)),
      uuidArray(readings.map((reading) => reading.machineId)),
      int8Array(readings.map((reading) => reading.seq)),
      int8Array(readings.map((reading) => reading.timestamp)),
      int8Array(readings.map((reading) => reading.receivedAt)),
      readings.map(valuesJsonOf).join('\n'),
      readings.map((reading) => (reading.quality ? JSON.stringify(reading.quality) : '')).join('\n'),
      uuidArray(readings.map((reading) => (wholes.has(reading) ? tagSetOf(reading) : null))),
      oldest,
    ],
  })
  return rows
}

const tagSets = new Map<string, string>()

/** The gateway names a machine's tags in the same order every time, so that few are ever computed. */
function tagSetOf({ values }: ReadingToStore): string {
  const tags = Object.keys(values)
  const key = tags.join()
  const known = tagSets.get(key)
  if (known !== undefined) return known
  const computed = createHash('md5').update(tags.sort().join()).digest('hex')
  if (tagSets.size >= MAX_TAG_SETS) tagSets.clear()
  tagSets.set(key, computed)
  return computed
}

const MAX_TAG_SETS = 10_000

function stateOf({
  timestamp,
  seq,
  receivedAt,
  values,
  quality,
}: NonNullable<Row['state']> | ReadingToStore): MachineState {
  return { timestamp, seq, receivedAt, values, ...(quality && { quality }) }
}
