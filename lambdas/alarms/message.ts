import type { AlarmCondition } from '../../schemas/alarms.ts'
import type { Scalar } from '../../schemas/telemetry.ts'

/** What a message may name; null where the source has none. */
export interface MessageValues {
  plant: string | null
  machine: string | null
  machineName: string | null
  gateway: string | null
  tag: string | null
  value: Scalar
  unit: string | null
  rule: string
  condition: AlarmCondition
}

/** The rule's own text with its values, or one made of source, value and limit. */
export function messageOf(template: string | null, values: MessageValues): string {
  if (template === null) return standardMessage(values)
  const { condition, ...named } = values
  const machineName = values.machineName ?? values.machine
  const known: Record<string, Scalar> = { ...named, machineName, limit: limitOf(condition) }
  return template.replace(/\{(\w+)\}/g, (whole, name: string) =>
    Object.hasOwn(known, name) ? (known[name] === null ? '' : written(known[name]!)) : whole,
  )
}

function standardMessage({ plant, machine, machineName, gateway, tag, value, unit, condition }: MessageValues): string {
  const source = [machineName ?? machine ?? gateway ?? plant, tag].filter((part) => part !== null).join(' ')
  const withUnit = (what: Scalar) => `${written(what)}${unit === null ? '' : ` ${unit}`}`
  switch (condition.kind) {
    case 'above':
      return `${source} ${withUnit(value)}, above ${withUnit(condition.limit)}`
    case 'below':
      return `${source} ${withUnit(value)}, below ${withUnit(condition.limit)}`
    case 'outside':
      return `${source} ${withUnit(value)}, outside ${written(condition.low)} to ${withUnit(condition.high)}`
    case 'rate_of_change':
      return `${source} ${withUnit(value)}, changed by more than ${withUnit(condition.limitPerMinute)} per minute`
    case 'equals':
      return `${source} is ${withUnit(value)}`
    case 'quality_bad':
      return `${source} cannot be read`
    case 'no_data':
      return `${source}: no data for ${Math.round(condition.forMs / 1000)} s`
    case 'gateway_offline':
      return `${source} is offline`
  }
}

function limitOf(condition: AlarmCondition): Scalar {
  switch (condition.kind) {
    case 'above':
    case 'below':
      return condition.limit
    case 'outside':
      return `${condition.low} to ${condition.high}`
    case 'rate_of_change':
      return condition.limitPerMinute
    case 'equals':
      return condition.value
    default:
      return null
  }
}

/** Numbers to six digits: what a float32 register holds. */
const written = (value: Scalar): string =>
  typeof value === 'number' ? String(Number(value.toPrecision(6))) : String(value)
