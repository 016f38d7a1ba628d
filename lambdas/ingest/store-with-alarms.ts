/** The store of a batch with what its new readings mean for alarms, in one transaction. A batch of machines that no rule looks at is stored as without alarms. */
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
import type { Sample } from '../alarms/judge.ts'
import { messageOf } from '../alarms/message.ts'
import type { Rule } from '../alarms/rule.ts'
import type { RuleBook } from '../alarms/rule-book.ts'
import { samplesOf } from '../alarms/samples.ts'
import { type KnownBefore, readAlarmContext } from '../data/alarm-context.ts'
import { inPooledTransaction } from '../data/pooled-transaction.ts'
import { type StoredTelemetry, storeTelemetry } from '../data/store-telemetry.ts'
import {
  type AlarmChange,
  type LateAlarm,
  NOTHING_WRITTEN,
  writeAlarmChanges,
  type WrittenAlarms,
} from '../data/write-alarm-changes.ts'
import type { Scalar } from '../../schemas/telemetry.ts'
import type { AddressedReading } from './address-readings.ts'

export interface AlarmedStore {
  pool: pg.Pool
  rules: RuleBook
}

export interface StoredWithAlarms extends StoredTelemetry {
  alarms: WrittenAlarms
}

export async function storeWithAlarms(
  { pool, rules }: AlarmedStore,
  readings: AddressedReading[],
  oldest: number,
): Promise<StoredWithAlarms> {
  await rules.load(readings.map(({ tenantId }) => tenantId))
  const watched = watchedMachines(rules, readings)
  if (watched.size === 0) return { ...(await storeTelemetry(pool, readings, oldest)), alarms: NOTHING_WRITTEN }
  return inPooledTransaction(pool, async (client) => {
    const ids = [...new Set(readings.map(({ machineId }) => machineId))]
    const known = await readAlarmContext(client, ids, {
      // Of a single reading the store itself tells whether it is the newest.
      newest: [...watched].filter(([, { count }]) => count > 1).map(([id]) => id),
      values: [...watched].filter(([, { of }]) => of.hasRates).map(([id]) => id),
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
    return { ...stored, alarms: await writeAlarmChanges(client, changes, late) }
  })
}

/** Machines that a rule looks at, with the number of their readings. */
function watchedMachines(rules: RuleBook, readings: AddressedReading[]) {
  const watched = new Map<string, { of: MachineRules; count: number }>()
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

const message = (reading: AddressedReading, rule: Rule, tag: string | null, value: Scalar) =>
  messageOf(rule.message, {
    ...{ plant: reading.plant, machine: reading.machine, machineName: reading.known.name, gateway: null, tag, value },
    ...{ unit: tag === null ? null : (reading.known.units[tag] ?? null), rule: rule.name, condition: rule.condition },
  })
