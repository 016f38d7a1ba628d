import type { Alarm, AlarmCondition } from '../../schemas/alarms.ts'
import type { Scalar } from '../../schemas/telemetry.ts'

export type Locale = 'en' | 'es'

const TEXTS = {
  en: {
    above: (limit: string) => `more than ${limit}`,
    below: (limit: string) => `less than ${limit}`,
    outside: (low: string, high: string) => `outside ${low} to ${high}`,
    either: (limit: string) => `changes by more than ${limit} per minute`,
    rise: (limit: string) => `rises by more than ${limit} per minute`,
    fall: (limit: string) => `falls by more than ${limit} per minute`,
    equals: (value: string) => `is ${value}`,
    qualityBad: 'cannot be read',
    noData: (span: string) => `no data for ${span}`,
    gatewayOffline: 'gateway offline',
    true: 'yes',
    false: 'no',
    decimal: '.',
  },
  es: {
    above: (limit: string) => `más de ${limit}`,
    below: (limit: string) => `menos de ${limit}`,
    outside: (low: string, high: string) => `fuera de ${low} a ${high}`,
    either: (limit: string) => `cambia más de ${limit} por minuto`,
    rise: (limit: string) => `sube más de ${limit} por minuto`,
    fall: (limit: string) => `baja más de ${limit} por minuto`,
    equals: (value: string) => `es ${value}`,
    qualityBad: 'no se puede leer',
    noData: (span: string) => `sin datos por ${span}`,
    gatewayOffline: 'gateway desconectado',
    true: 'sí',
    false: 'no',
    decimal: ',',
  },
}

/** What a receiver is told of an alarm whose rule has no text of its own, as the page words it. `plant`: its name. */
export function standardMessage(alarm: Alarm, plant: string | null, locale: Locale): string {
  const { condition, value, unit } = alarm
  const source = alarm.machineName ?? alarm.machine ?? alarm.thingName ?? plant
  const isMeasured = 'hysteresis' in condition || condition.kind === 'rate_of_change'
  const measured = isMeasured && value !== null ? withUnit(written(value, locale), unit) : null
  const subject = [source, alarm.tag, measured].filter((part) => part !== null).join(' ')
  return `${subject}: ${conditionIn(locale, condition, unit)}`
}

function conditionIn(locale: Locale, condition: AlarmCondition, unit: string | null): string {
  const texts = TEXTS[locale]
  const limit = (value: Scalar) => withUnit(written(value, locale), unit)
  switch (condition.kind) {
    case 'above':
    case 'below':
      return texts[condition.kind](limit(condition.limit))
    case 'outside':
      return texts.outside(written(condition.low, locale), limit(condition.high))
    case 'rate_of_change':
      return texts[condition.direction](limit(condition.limitPerMinute))
    case 'equals':
      return texts.equals(limit(condition.value))
    case 'quality_bad':
      return texts.qualityBad
    case 'no_data': {
      const seconds = Math.round(condition.forMs / 1000)
      return texts.noData(seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`)
    }
    case 'gateway_offline':
      return texts.gatewayOffline
  }
}

const withUnit = (text: string, unit: string | null) => (unit === null ? text : `${text} ${unit}`)

/** Numbers to six digits: what a float32 register holds. */
function written(value: Scalar, locale: Locale): string {
  const { decimal, true: yes, false: no } = TEXTS[locale]
  if (typeof value === 'number') return String(Number(value.toPrecision(6))).replace('.', decimal)
  return typeof value === 'boolean' ? (value ? yes : no) : String(value)
}
