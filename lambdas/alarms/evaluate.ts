/** The readings of a batch against the rules of their machines. Pure: it is given what was before, and tells what has changed. */
import type { Scalar, TelemetryV1 } from '../../schemas/telemetry.ts'
import { advance, type State, step, type Transition } from './engine.ts'
import { judge, type Sample } from './judge.ts'
import type { MachineRules } from './machine-rules.ts'
import { machineSource, type Rule, tagSource } from './rule.ts'

/**
 * A reading that reached the broker later than this after it was taken is not news: it had waited in a gateway's outbox. No less, as a
 * gateway's clock may be behind by as much as one that is ahead is let.
 */
export const LATE_AFTER_MS = 5 * 60_000

export type MachineReading = Pick<TelemetryV1, 'timestamp' | 'seq' | 'values' | 'quality'> & { receivedAt: number }

/** Newest reading of a machine: what is not after it is late. */
export interface Place {
  timestamp: number
  seq: number
}

/** What was known of a machine before the batch. */
export interface MachineBefore {
  newest: Place | undefined
  /** By `keyOf`; only of what is not normal. */
  states: Map<string, Exclude<State, undefined>>
  /** Of each tag, where a rule looks at its rate of change. */
  samples: Map<string, Sample>
}

export const keyOf = (ruleId: string, source: string) => `${ruleId} ${source}`

/** What has come of a rule at a source. `state` undefined: normal. */
export interface Change {
  rule: Rule
  source: string
  tag: string | null
  state: State
  transitions: Transition[]
}

/** A condition that was met by data that came late: told to nobody, kept as history by the hour of its timestamp. */
export interface LateNote {
  rule: Rule
  source: string
  tag: string
  from: number
  to: number
  count: number
  /** At `from`. */
  value: Scalar
}

const HOUR_MS = 3_600_000

export const isAfter = (one: Place, other: Place) =>
  one.timestamp > other.timestamp || (one.timestamp === other.timestamp && one.seq > other.seq)

/** `readings`: of one machine, each of them new, in any order. The result does not depend on how batches are cut. */
export function evaluate(
  machineId: string,
  rules: MachineRules,
  before: MachineBefore,
  readings: MachineReading[],
): { changes: Change[]; late: LateNote[] } {
  const { samples } = before
  let { newest } = before
  const tracked = new Map<string, Change & { known: State }>()
  const late = new Map<string, LateNote>()
  const track = (rule: Rule, source: string, tag: string | null): Change & { known: State } => {
    const key = keyOf(rule.ruleId, source)
    let found = tracked.get(key)
    if (found === undefined) {
      const known = before.states.get(key)
      found = { rule, source, tag, state: known, known, transitions: [] }
      tracked.set(key, found)
    }
    return found
  }
  for (const [rule, source, tag] of rules.tracked(machineId, before.states.keys())) track(rule, source, tag)

  for (const reading of readings.toSorted((a, b) => a.timestamp - b.timestamp || a.seq - b.seq)) {
    const { timestamp: at, values, quality } = reading
    if (newest !== undefined && !isAfter(reading, newest)) {
      noteLate(reading)
      continue
    }
    newest = reading
    if (reading.receivedAt - at > LATE_AFTER_MS) {
      noteLate(reading)
      continue
    }
    for (const one of tracked.values()) one.state = advance(one.rule, one.state, at, one.transitions)
    for (const rule of rules.noData) {
      const one = tracked.get(keyOf(rule.ruleId, machineSource(machineId)))
      if (one) one.state = step(rule, one.state, false, { at, value: null }, one.transitions)
    }
    for (const tag in values) {
      const ofTag = rules.ofTag(tag)
      if (ofTag.length === 0) continue
      const sample: Sample = { at, value: values[tag]!, quality: quality?.[tag] }
      for (const rule of ofTag) {
        // Of nearly every machine nothing is tracked: no key is made for nothing.
        const one = tracked.size === 0 ? undefined : tracked.get(keyOf(rule.ruleId, tagSource(machineId, tag)))
        const isActive = one?.state?.phase === 'active'
        const holds = judge(rule.condition, sample, samples.get(tag), isActive)
        if (holds === undefined || (!holds && one?.state === undefined)) continue
        const changed = one ?? track(rule, tagSource(machineId, tag), tag)
        changed.state = step(rule, changed.state, holds, sample, changed.transitions)
      }
      if (rules.hasRates && sample.value !== null && sample.quality !== 'bad') samples.set(tag, sample)
    }
  }
  return {
    changes: [...tracked.values()].filter(({ state, known, transitions }) => state !== known || transitions.length > 0),
    late: [...late.values()],
  }

  function noteLate({ timestamp: at, values, quality }: MachineReading): void {
    for (const tag in values) {
      for (const rule of rules.ofTag(tag)) {
        const sample: Sample = { at, value: values[tag]!, quality: quality?.[tag] }
        if (!judge(rule.condition, sample, undefined, false)) continue
        const source = tagSource(machineId, tag)
        const state = tracked.get(keyOf(rule.ruleId, source))?.state
        if (state !== undefined && at >= state.since) continue
        const key = `${keyOf(rule.ruleId, source)} ${Math.floor(at / HOUR_MS)}`
        const note = late.get(key)
        if (note === undefined) late.set(key, { rule, source, tag, from: at, to: at, count: 1, value: sample.value })
        else {
          note.count += 1
          note.to = Math.max(note.to, at)
        }
      }
    }
  }
}
