import type { AlarmCondition } from '../../schemas/alarms.ts'
import type { Quality, Scalar } from '../../schemas/telemetry.ts'

/** One value of a tag. `at`: epoch ms. */
export interface Sample {
  at: number
  value: Scalar
  quality: Quality | undefined
}

/** Beyond it nothing is known of how a value has come from one to the other. */
const MAX_RATE_GAP_MS = 3_600_000

/**
 * Whether a tag's condition holds for this value; undefined when the value says nothing of it. `isActive`: it holds already, so
 * the value has to come back by the hysteresis. `previous`: the tag's value before, for its rate of change.
 */
export function judge(
  condition: AlarmCondition,
  sample: Sample,
  previous: Sample | undefined,
  isActive: boolean,
): boolean | undefined {
  const isBad = sample.value === null || sample.quality === 'bad'
  if (condition.kind === 'quality_bad') return isBad
  if (isBad) return undefined
  if (condition.kind === 'equals') return sample.value === condition.value
  const value = numberOf(sample.value)
  if (value === undefined) return undefined
  switch (condition.kind) {
    case 'above':
      return value > condition.limit - (isActive ? condition.hysteresis : 0)
    case 'below':
      return value < condition.limit + (isActive ? condition.hysteresis : 0)
    case 'outside': {
      const back = isActive ? condition.hysteresis : 0
      return value < condition.low + back || value > condition.high - back
    }
    case 'rate_of_change': {
      const before = previous === undefined ? undefined : numberOf(previous.value)
      if (before === undefined) return undefined
      const ms = sample.at - previous!.at
      if (ms <= 0 || ms > MAX_RATE_GAP_MS) return undefined
      const perMinute = ((value - before) * 60_000) / ms
      const inDirection = { rise: perMinute, fall: -perMinute, either: Math.abs(perMinute) }[condition.direction]
      return inDirection > condition.limitPerMinute
    }
    default:
      return undefined
  }
}

const numberOf = (value: Scalar): number | undefined =>
  typeof value === 'number' ? value : typeof value === 'boolean' ? Number(value) : undefined
