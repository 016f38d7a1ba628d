import { CLOCK_SKEW_FROM_MS, Condition } from '../../../schemas/conditions.ts'
import type { LiveGateway } from '../../../schemas/live.ts'
import { staleAfterMs, type Cadence } from './cadence.ts'
import type { MachineView, TagView } from './machine-view.ts'
import { isRunning } from './run-state.ts'

/** How far a value can be relied on: as new as its cadence promises, older than that, or cut off. */
export type Freshness = 'fresh' | 'stale' | 'offline'

/** The reading's time by the cloud's clock, so that a gateway whose clock is wrong does not make all its values old. */
export function readingTime(timestamp: number, gateway: LiveGateway | undefined): number {
  const skewMs = gateway?.clockSkewMs ?? 0
  return Math.abs(skewMs) < CLOCK_SKEW_FROM_MS ? timestamp : timestamp + skewMs
}

export function freshnessOf(
  reading: { readonly timestamp: number; readonly cadence: Cadence },
  gateway: LiveGateway | undefined,
  now: number,
): Freshness {
  if (gateway?.connection === 'offline') return 'offline'
  const ageMs = now - readingTime(reading.timestamp, gateway)
  return ageMs > staleAfterMs(reading.cadence) ? 'stale' : 'fresh'
}

export function conditionOf(machine: MachineView, gateway: LiveGateway | undefined, now: number): Condition {
  if (!machine.state) return 'silent'
  const { timestamp } = machine.state
  const freshness = freshnessOf({ timestamp, cadence: machine.cadence }, gateway, now)
  if (freshness !== 'fresh') return freshness
  if ([...machine.tags.values()].every((tag: TagView) => tag.quality === 'bad')) return 'bad'
  const running = isRunning(machine.tags)
  if (running === undefined) return 'reporting'
  return running ? 'running' : 'stopped'
}

export interface MachineCount {
  readonly condition: Condition
  readonly count: number
}

export function countConditions(conditions: readonly Condition[]): MachineCount[] {
  return shownCounts((condition) => conditions.filter((each) => each === condition).length)
}

/** How many there are of each; of running and stopped always, of the others when there are any. */
export function shownCounts(countOf: (condition: Condition) => number): MachineCount[] {
  return Condition.options
    .map((condition) => ({ condition, count: countOf(condition) }))
    .filter(({ condition, count }) => count > 0 || condition === 'running' || condition === 'stopped')
}

/** Conditions that somebody should look at. */
export function isAbnormal(condition: Condition): boolean {
  return condition === 'bad' || condition === 'stale' || condition === 'offline'
}
