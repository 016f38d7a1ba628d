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

/** The rule's own text with its values. Null: it has none, and whoever shows the alarm words it in the reader's language. */
export function messageOf(template: string | null, values: MessageValues): string | null {
  if (template === null) return null
  const { condition, ...named } = values
  const machineName = values.machineName ?? values.machine
  const known: Record<string, Scalar> = { ...named, machineName, limit: limitOf(condition) }
  return template.replace(/\{(\w+)\}/g, (whole, name: string) =>
    Object.hasOwn(known, name) ? (known[name] === null ? '' : written(known[name]!)) : whole,
  )
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
