import type { useI18n } from 'vue-i18n'
import type { AlarmCondition } from '../../../../schemas/alarms.ts'

type Translate = ReturnType<typeof useI18n>['t']

/** A rule's condition as a sentence: "above 90", "no data for 5 min". */
export function describeCondition(
  condition: AlarmCondition,
  t: Translate,
  words: { scalar(value: number): string; span(ms: number): string },
): string {
  const n = (value: number) => words.scalar(value)
  if (condition.kind === 'above' || condition.kind === 'below') {
    return t(`alarms.conditions.${condition.kind}`, { limit: n(condition.limit) })
  }
  if (condition.kind === 'outside') {
    return t('alarms.conditions.outside', { low: n(condition.low), high: n(condition.high) })
  }
  if (condition.kind === 'rate_of_change') {
    return t(`alarms.conditions.${condition.direction}`, { limit: n(condition.limitPerMinute) })
  }
  if (condition.kind === 'equals') return t('alarms.conditions.equals', { value: String(condition.value) })
  if (condition.kind === 'no_data') return t('alarms.conditions.no_data', { span: words.span(condition.forMs) })
  return t(`alarms.conditions.${condition.kind}`)
}
