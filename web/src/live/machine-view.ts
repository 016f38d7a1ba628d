import type { LiveMachine, LiveMachineChange, MachineState } from '../../../schemas/live.ts'
import type { Quality, Scalar } from '../../../schemas/telemetry.ts'
import { UNKNOWN_CADENCE, withReading, type Cadence } from './cadence.ts'
import { settleDecimals } from '../display/numbers.ts'
import { withPast, withPoint, type TrendPoint } from './trend.ts'

/** The last value of one tag, and what was learnt about the tag while the page was open. */
export interface TagView {
  readonly name: string
  readonly value: Scalar
  readonly unit: string | undefined
  readonly quality: 'good' | Quality
  /** Epoch ms of the reading that brought this value, by the gateway's clock. */
  readonly timestamp: number
  readonly cadence: Cadence
  readonly trend: readonly TrendPoint[]
  /** Decimals to show; undefined until a number with a fraction was seen. */
  readonly decimals: number | undefined
}

export interface MachineView extends LiveMachine {
  /** By tag name. A reading need not have every tag (their intervals differ), so this keeps the last value of each. */
  readonly tags: ReadonlyMap<string, TagView>
  readonly cadence: Cadence
}

/**
 * The machine as shown, after `incoming` was heard. The newest reading by (timestamp, seq) wins: an older one, late or
 * repeated, changes nothing. One that is equal may be another part of it: a machine with very many tags does not fit in
 * one frame.
 */
export function mergeMachine(shown: MachineView, incoming: LiveMachineChange): MachineView {
  const order = compareStates(shown.state, incoming.state)
  if (order > 0) return shown
  const gapMs = shown.state && incoming.state ? incoming.state.timestamp - shown.state.timestamp : 0
  return {
    ...shown,
    ...incoming,
    tags: withReadings(shown.tags, { units: {}, ...incoming }),
    cadence: withReading(shown.cadence, gapMs),
  }
}

export const machineView = (incoming: LiveMachine): MachineView => ({
  ...incoming,
  tags: withReadings(new Map(), incoming),
  cadence: UNKNOWN_CADENCE,
})

export function withPastTrends(
  shown: MachineView,
  from: number,
  values: Readonly<Record<string, readonly (number | null)[]>>,
): MachineView {
  const tags = new Map(shown.tags)
  for (const [name, ofTag] of Object.entries(values)) {
    const tag = tags.get(name)
    if (tag) tags.set(name, { ...tag, trend: withPast(tag.trend, from, ofTag) })
  }
  return { ...shown, tags }
}

/** Whether it is drawn as a line: a number, also while it cannot be read. */
export const isMeasured = ({ value, unit, trend }: TagView): boolean =>
  typeof value === 'number' || (value === null && (unit !== undefined || trend.length > 0))

/** Whether it says everything that is known of a machine: one that is not shown yet cannot be shown without. */
export const isWhole = (machine: LiveMachineChange): machine is LiveMachine => machine.status !== undefined

function compareStates(a: MachineState | null, b: MachineState | null): number {
  if (!a || !b) return Number(a !== null) - Number(b !== null)
  return a.timestamp - b.timestamp || a.seq - b.seq
}

function withReadings(
  tags: ReadonlyMap<string, TagView>,
  { state, units }: Pick<LiveMachine, 'state' | 'units'>,
): ReadonlyMap<string, TagView> {
  if (!state) return tags
  const next = new Map(tags)
  for (const [name, value] of Object.entries(state.values)) {
    const before = tags.get(name)
    const isNumber = typeof value === 'number'
    // What could not be read is a number still; a tag that has become a text has no line any more.
    const trend = isNumber || value === null ? (before?.trend ?? []) : []
    const quality = state.quality?.[name] ?? (value === null ? 'bad' : 'good')
    next.set(name, {
      name,
      value,
      // A unit, once told, stays: who sends this state may not have heard of it yet.
      unit: units[name] ?? before?.unit,
      quality,
      timestamp: state.timestamp,
      cadence: before ? withReading(before.cadence, state.timestamp - before.timestamp) : UNKNOWN_CADENCE,
      trend: isNumber && quality !== 'bad' ? withPoint(trend, state.timestamp, value) : trend,
      decimals: isNumber ? settleDecimals(before?.decimals, value) : before?.decimals,
    })
  }
  return next
}
