/**
 * The store of a batch with what its new readings mean for alarms. Most readings mean nothing: no rule looks at them, or none is met
 * and no condition of their machine is other than normal. Those are stored by one statement, which makes sure of the latter. The others
 * take a transaction: what was known before, the store, and what has changed.
 */
import type pg from 'pg'
import { v7 as uuidv7 } from 'uuid'
import {
  type Change,
  evaluate,
  isAfter,
  keyOf,
  type LateNote,
  type MachineBefore,
  type Place,
} from '../alarms/evaluate.ts'
import type { MachineRules } from '../alarms/machine-rules.ts'
import { judge, type Sample } from '../alarms/judge.ts'
import { messageOf } from '../alarms/message.ts'
import type { Rule } from '../alarms/rule.ts'
import type { RuleBook } from '../alarms/rule-book.ts'
import { samplesOf } from '../alarms/samples.ts'
import { type KnownBefore, readAlarmContext } from '../data/alarm-context.ts'
import { inPooledTransaction } from '../data/pooled-transaction.ts'
import {
  HasConditions,
  type Outcome,
  storeCalmTelemetry,
  type StoredTelemetry,
  storeTelemetry,
} from '../data/store-telemetry.ts'
import {
  type AlarmChange,
  type LateAlarm,
  NOTHING_WRITTEN,
  writeAlarmChanges,
  type WrittenAlarms,
} from '../data/write-alarm-changes.ts'
import type { MachineState } from '../../schemas/live.ts'
import type { Scalar } from '../../schemas/telemetry.ts'
import type { ExpiringMap } from '../runtime/expiring-map.ts'
import type { AddressedReading } from './address-readings.ts'

export interface AlarmedStore {
  pool: pg.Pool
  rules: RuleBook
  /** Machines of which a condition was found not to be normal; that they are here is never wrong, only slower. */
  restless: ExpiringMap<true>
}

export interface StoredWithAlarms {
  /** In the order of the readings given. */
  outcomes: Outcome[]
  states: Map<string, { state: MachineState; revision: number }>
  alarms: WrittenAlarms
}

/** Of the whole batch, or of the readings at these places of it. */
type Part = [place: number[], readings: AddressedReading[]]

export async function storeWithAlarms(
  store: AlarmedStore,
  readings: AddressedReading[],
  oldest: number,
): Promise<StoredWithAlarms> {
  await store.rules.load(readings.map(({ tenantId }) => tenantId))
  const watched = watchedMachines(store.rules, readings)
  if (watched.size === 0) return withRevision(await storeTelemetry(store.pool, readings, oldest))
  const isCalm = calmMachines(store.restless, watched, readings)
  const [calm, rest] = [partOf(readings, isCalm), partOf(readings, (id) => !isCalm(id))]
  if (calm[1].length === 0) return storeAndJudge(store, watched, readings, oldest)
  try {
    const stored = withRevision(await storeCalmTelemetry(store.pool, calm[1], oldest))
    if (rest[1].length === 0) return stored
    return merged(readings, [calm, stored], [rest, await storeAndJudge(store, watched, rest[1], oldest)])
  } catch (error) {
    if (!(error instanceof HasConditions)) throw error
    for (const machineId of error.machineIds) store.restless.set(machineId, true)
    return storeAndJudge(store, watched, readings, oldest)
  }
}

async function storeAndJudge(
  { pool }: AlarmedStore,
  watched: Watched,
  readings: AddressedReading[],
  oldest: number,
): Promise<StoredWithAlarms> {
  return inPooledTransaction(pool, async (client) => {
    const ids = new Set(readings.map(({ machineId }) => machineId))
    const looked = [...watched].filter(([id]) => ids.has(id))
    const known = await readAlarmContext(client, [...ids], {
      // Of a single reading the store itself tells whether it is the newest.
      newest: looked.filter(([, { count }]) => count > 1).map(([id]) => id),
      values: looked.filter(([, { of }]) => of.hasRates).map(([id]) => id),
    })
    const stored = await storeTelemetry(client, readings, oldest)
    const fresh = readings.filter(({ machineId }, index) => stored.outcomes[index] === 'new' && watched.has(machineId))
    const changes: AlarmChange[] = []
    const late: LateAlarm[] = []
    for (const [machineId, ofMachine] of Map.groupBy(fresh, (reading) => reading.machineId)) {
      const { of, count } = watched.get(machineId)!
      const before = beforeOf(
        known.get(machineId) ?? UNKNOWN,
        count === 1 ? placeBefore(ofMachine[0]!, stored) : undefined,
      )
      const found = evaluate(machineId, of, before, ofMachine)
      changes.push(...found.changes.map((change) => alarmChange(ofMachine[0]!, change)))
      late.push(...found.late.map((note) => lateAlarm(ofMachine[0]!, note)))
    }
    return { ...withRevision(stored), alarms: await writeAlarmChanges(client, changes, late) }
  })
}

/**
 * Machines of which nothing can come: none of their readings meets a condition by itself, and nothing says yet that one is not normal. A
 * rate of change needs the value before.
 */
function calmMachines(restless: ExpiringMap<true>, watched: Watched, readings: AddressedReading[]) {
  const loud = new Set<string>()
  for (const { machineId, timestamp: at, values, quality } of readings) {
    const of = watched.get(machineId)?.of
    if (of === undefined || loud.has(machineId)) continue
    const meets = (tag: string) =>
      of.ofTag(tag).some(({ condition }) => {
        return judge(condition, { at, value: values[tag]!, quality: quality?.[tag] }, undefined, false)
      })
    if (of.hasRates || restless.isFresh(machineId) || Object.keys(values).some(meets)) loud.add(machineId)
  }
  return (machineId: string) => !loud.has(machineId)
}

function partOf(readings: AddressedReading[], isMeant: (machineId: string) => boolean): Part {
  const places = [...readings.keys()].filter((place) => isMeant(readings[place]!.machineId))
  return [places, places.map((place) => readings[place]!)]
}

function merged(readings: AddressedReading[], ...parts: [Part, StoredWithAlarms][]): StoredWithAlarms {
  const outcomes = Array<Outcome>(readings.length)
  for (const [[places], stored] of parts)
    for (const [index, place] of places.entries()) outcomes[place] = stored.outcomes[index]!
  return {
    outcomes,
    states: new Map(parts.flatMap(([, { states }]) => [...states])),
    alarms: {
      alarmIds: parts.flatMap(([, { alarms }]) => alarms.alarmIds),
      outboxIds: parts.flatMap(([, { alarms }]) => alarms.outboxIds),
    },
  }
}

const withRevision = ({ outcomes, states, revision }: StoredTelemetry): StoredWithAlarms => ({
  outcomes,
  states: new Map([...states].map(([machineId, state]) => [machineId, { state, revision }])),
  alarms: NOTHING_WRITTEN,
})

type Watched = Map<string, { of: MachineRules; count: number }>

/** Machines that a rule looks at, with the number of their readings. */
function watchedMachines(rules: RuleBook, readings: AddressedReading[]): Watched {
  const watched: Watched = new Map()
  for (const reading of readings) {
    const found = watched.get(reading.machineId)
    if (found !== undefined) {
      found.count += 1
      continue
    }
    const of = rules.of(reading)
    if (of !== undefined) watched.set(reading.machineId, { of, count: 1 })
  }
  return watched
}

const UNKNOWN: KnownBefore = { conditions: [] }

const beforeOf = ({ conditions, newest }: KnownBefore, place: Place | undefined): MachineBefore => ({
  newest: newest ?? place,
  states: new Map(conditions.map(({ ruleId, source, state }) => [keyOf(ruleId, source), state])),
  samples: newest === undefined ? new Map<string, Sample>() : samplesOf(newest),
})

/** Of a machine's only reading: undefined when it is the state now, so that nothing newer was before. */
function placeBefore(reading: AddressedReading, { states }: StoredTelemetry): Place | undefined {
  const now = states.get(reading.machineId)
  if (now === undefined) return { timestamp: Infinity, seq: Infinity }
  return isAfter(now, reading) ? now : undefined
}

const sourceOf = ({ plantId, machineId }: AddressedReading, rule: Rule, source: string, sourceTag: string | null) => ({
  ...{ ruleId: rule.ruleId, version: rule.version, source, plantId, machineId, sourceTag },
})

const alarmChange = (reading: AddressedReading, { rule, source, tag, state, transitions }: Change): AlarmChange => ({
  ...sourceOf(reading, rule, source, tag),
  gatewayId: null,
  state: state ?? null,
  events: transitions.map(({ type, at, value }) => ({
    ...{ id: uuidv7(), type, at, value },
    message: message(reading, rule, tag, value),
  })),
})

const lateAlarm = (reading: AddressedReading, { rule, source, tag, from, to, count, value }: LateNote): LateAlarm => ({
  ...sourceOf(reading, rule, source, tag),
  ...{ id: uuidv7(), from, to, count, value, message: message(reading, rule, tag, value) },
})

const message = (
  { plant, machine, known: { about } }: AddressedReading,
  rule: Rule,
  tag: string | null,
  value: Scalar,
) =>
  messageOf(rule.message, {
    ...{ plant, machine, machineName: about.name, gateway: null, tag, value },
    ...{ unit: tag === null ? null : (about.units[tag] ?? null), rule: rule.name, condition: rule.condition },
  })
