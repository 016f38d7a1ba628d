import type { useI18n } from 'vue-i18n'
import type { AlarmCondition } from '../../../../schemas/alarms.ts'

/** Values and lengths of time in the reader's language. */
export interface ConditionWords {
  scalar(value: number | boolean | string): string
  /** Of a limit, with the decimals that a person gave it. */
  asWritten(value: number): string
  span(ms: number): string
}

type Translate = ReturnType<typeof useI18n>['t']

/** A rule's condition as a sentence: "above 90", "no data for 5 min". `withUnit`: puts the tag's unit behind a figure. */
export function describeCondition(
  condition: AlarmCondition,
  t: Translate,
  words: ConditionWords,
  withUnit: (text: string) => string = (text) => text,
): string {
  const n = (value: number | boolean | string) =>
    withUnit(typeof value === 'number' ? words.asWritten(value) : words.scalar(value))
  if (condition.kind === 'above' || condition.kind === 'below') {
    return t(`alarms.conditions.${condition.kind}`, { limit: n(condition.limit) })
  }
  if (condition.kind === 'outside') {
    return t('alarms.conditions.outside', { low: words.asWritten(condition.low), high: n(condition.high) })
  }
  if (condition.kind === 'rate_of_change') {
    return t(`alarms.conditions.${condition.direction}`, { limit: n(condition.limitPerMinute) })
  }
  if (condition.kind === 'equals') return t('alarms.conditions.equals', { value: n(condition.value) })
  if (condition.kind === 'no_data') return t('alarms.conditions.no_data', { span: words.span(condition.forMs) })
  return t(`alarms.conditions.${condition.kind}`)
}
