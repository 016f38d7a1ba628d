import type { useI18n } from 'vue-i18n'
import type { Alarm } from '../../../../schemas/alarms.ts'
import { tagLabel } from '../../display/tag-label.ts'
import { describeCondition, type ConditionWords } from './rule-words.ts'

/**
 * What an alarm says: its rule's own text, or one in the reader's language, made of source, value and condition. `plant`: its name,
 * for an alarm of a whole plant.
 */
export function alarmMessage(
  alarm: Alarm,
  plant: string | undefined,
  t: ReturnType<typeof useI18n>['t'],
  words: ConditionWords,
): string {
  if (alarm.message !== null) return alarm.message
  const { condition, value, unit, tag } = alarm
  const withUnit = (text: string) => (unit === null ? text : `${text} ${unit}`)
  const isMeasured = 'hysteresis' in condition || condition.kind === 'rate_of_change'
  const subject = [
    alarm.machineName ?? alarm.machine ?? alarm.thingName ?? plant,
    tag === null ? undefined : tagLabel(tag),
    isMeasured && value !== null ? withUnit(words.scalar(value)) : undefined,
  ]
  return t('alarms.standardMessage', {
    subject: subject.filter((part) => part !== undefined).join(' '),
    condition: describeCondition(condition, t, words, withUnit),
  })
}
