import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { createI18n } from 'vue-i18n'
import { standardMessage } from '../../../lambdas/alarm-delivery/standard-message.ts'
import { type AlarmRule, CreateAlarmRule } from '../../../schemas/alarm-requests.ts'
import type { Alarm, AlarmCondition } from '../../../schemas/alarms.ts'
import { alarmMessage } from '../../../web/src/components/alarms/alarm-words.ts'
import { compareAlarms } from '../../../web/src/components/alarms/alarm-order.ts'
import { openAlarmsOf } from '../../../web/src/components/alarms/open-alarms.ts'
import { formOf, KINDS, ruleOf } from '../../../web/src/components/alarms/rule-form.ts'
import { decimalsFor, formatNumber, formatWritten } from '../../../web/src/display/numbers.ts'
import en from '../../../web/src/i18n/en.json' with { type: 'json' }
import es from '../../../web/src/i18n/es.json' with { type: 'json' }
import { applyChanges, applyWhole, createPlantPicture } from '../../../web/src/live/plant-picture.ts'
import { machineId, PLANT } from './live-fixtures.ts'

function alarm(n: number, more: Partial<Alarm> = {}): Alarm {
  return {
    ...{ alarmId: machineId(n), ruleId: PLANT, ruleName: 'rule', plantId: PLANT, machineId: machineId(1) },
    ...{
      machine: 'machine-1',
      machineName: null,
      thingName: null,
      tag: 't',
      condition: { kind: 'quality_bad' },
      severity: 'medium',
    },
    ...{ message: 'text', state: 'unacknowledged', value: 1, unit: null, raisedAt: n, clearedAt: null, occurrences: 1 },
    ...{ acknowledgedAt: null, acknowledgedBy: null, comment: null, suppression: null, closedAt: null, late: false },
    ...more,
  }
}
const shelf = { kind: 'shelved' as const, since: 1, until: 2, reason: 'r', by: null }

describe('alarms on the page', () => {
  it('are in the order of their priority, then those that nobody has seen, then the newest', () => {
    const alarms = [
      alarm(1),
      alarm(2, { severity: 'critical', state: 'acknowledged' }),
      alarm(3, { state: 'acknowledged' }),
      alarm(4, { state: 'returned' }),
      alarm(5, { severity: 'low' }),
    ]
    expect(alarms.toSorted(compareAlarms).map(({ raisedAt }) => raisedAt)).toEqual([2, 4, 1, 3, 5])
  })

  it('are not counted while they are kept from view', () => {
    const critical = alarm(1, { severity: 'critical', suppression: shelf })
    expect(openAlarmsOf([critical, alarm(2), alarm(3, { state: 'acknowledged' })])).toEqual({
      ...{ count: 2, unacknowledged: 1, worst: 'medium' },
    })
    expect(openAlarmsOf([critical]).worst).toBeUndefined()
  })

  it('follow a plant’s frames: a delta changes them, one that is closed goes, a snapshot replaces them all', () => {
    const picture = createPlantPicture()
    const shown = () => [...picture.alarms.value.values()].map(({ raisedAt, state }) => [raisedAt, state])
    const none = { machines: [], gateways: [] }
    applyWhole(picture, { ...none, alarms: [alarm(1), alarm(2)] })
    applyChanges(picture, { ...none, alarms: [alarm(1, { state: 'acknowledged' }), alarm(2, { closedAt: 9 })] })
    expect(shown()).toEqual([[1, 'acknowledged']])
    applyChanges(picture, { ...none, alarms: [] })
    expect(shown()).toEqual([[1, 'acknowledged']])
    applyWhole(picture, { ...none, alarms: [alarm(3)] })
    expect(shown()).toEqual([[3, 'unacknowledged']])
  })
})

describe('what an alarm says', () => {
  const { global: i18n } = createI18n({ legacy: false, locale: 'es', messages: { en, es } })
  const t = i18n.t as unknown as Parameters<typeof alarmMessage>[2]
  const words = {
    scalar: (value: number | boolean | string) =>
      typeof value === 'number'
        ? formatNumber(value, i18n.locale.value, decimalsFor(value))
        : typeof value === 'boolean'
          ? t(`value.${value}`)
          : value,
    asWritten: (value: number) => formatWritten(value, i18n.locale.value),
    span: (ms: number) => t('span.min', { n: ms / 60_000 }),
  }
  const ofTag = { machineName: 'Horno 3', tag: 'oil', value: 81.5, unit: '°C' }
  const ofMachine = { machine: 'oven-3', tag: null, value: null }
  const none = { machine: null, tag: null, value: null }

  it.each<[Partial<Alarm>, string, string]>([
    [
      { ...ofTag, condition: { kind: 'above', limit: 80.5, hysteresis: 1 } },
      'Horno 3 oil 81.5 °C: more than 80.5 °C',
      'Horno 3 oil 81,5 °C: más de 80,5 °C',
    ],
    [
      { ...ofTag, condition: { kind: 'below', limit: 90, hysteresis: 0 } },
      'Horno 3 oil 81.5 °C: less than 90 °C',
      'Horno 3 oil 81,5 °C: menos de 90 °C',
    ],
    [
      { ...ofTag, unit: null, condition: { kind: 'outside', low: -1, high: 25, hysteresis: 0 } },
      'Horno 3 oil 81.5: outside -1 to 25',
      'Horno 3 oil 81,5: fuera de -1 a 25',
    ],
    [
      { ...ofTag, condition: { kind: 'rate_of_change', limitPerMinute: 5, direction: 'fall' } },
      'Horno 3 oil 81.5 °C: falls by more than 5 °C per minute',
      'Horno 3 oil 81,5 °C: baja más de 5 °C por minuto',
    ],
    [
      { ...ofTag, value: true, unit: null, condition: { kind: 'equals', value: true } },
      'Horno 3 oil: is yes',
      'Horno 3 oil: es sí',
    ],
    [
      { ...ofTag, value: null, condition: { kind: 'quality_bad' } },
      'Horno 3 oil: cannot be read',
      'Horno 3 oil: no se puede leer',
    ],
    [
      { ...ofMachine, condition: { kind: 'no_data', forMs: 300_000 } },
      'oven-3: no data for 5 min',
      'oven-3: sin datos por 5 min',
    ],
    [
      { ...none, condition: { kind: 'no_data', forMs: 120_000 } },
      'Planta Norte: no data for 2 min',
      'Planta Norte: sin datos por 2 min',
    ],
    [
      { ...none, thingName: 'gw-1', condition: { kind: 'gateway_offline' } },
      'gw-1: gateway offline',
      'gw-1: gateway desconectado',
    ],
  ])('is in the language of the reader, on the page and in a mail: %o', (more, english, spanish) => {
    const one = alarm(1, { message: null, ...more })
    for (const [locale, text] of [
      ['en', english],
      ['es', spanish],
    ] as const) {
      i18n.locale.value = locale
      expect(alarmMessage(one, 'Planta Norte', t, words)).toBe(text)
      expect(standardMessage(one, 'Planta Norte', locale)).toBe(text)
    }
  })

  it('is what the rule says, where it says something', () => {
    expect(alarmMessage(alarm(1, { message: 'Parar la prensa' }), undefined, t, words)).toBe('Parar la prensa')
  })
})

describe('the form of a rule', () => {
  const conditions: AlarmCondition[] = [
    { kind: 'above', limit: 90.5, hysteresis: 2 },
    { kind: 'below', limit: -1, hysteresis: 0 },
    { kind: 'outside', low: 1, high: 9, hysteresis: 1 },
    { kind: 'rate_of_change', limitPerMinute: 3, direction: 'fall' },
    { kind: 'equals', value: 'FAULT' },
    { kind: 'equals', value: false },
    { kind: 'equals', value: 2 },
    { kind: 'quality_bad' },
    { kind: 'no_data', forMs: 90_000 },
    { kind: 'gateway_offline' },
  ]

  it('knows every kind, and gives back the rule that it was opened with, as the API takes it', () => {
    expect(new Set(conditions.map(({ kind }) => kind))).toEqual(new Set(KINDS))
    for (const condition of conditions) {
      const looksAtTag = !['no_data', 'gateway_offline'].includes(condition.kind)
      const given: CreateAlarmRule = {
        ...{ name: 'Horno', plantId: PLANT, condition, delayOnMs: 10_000, delayOffMs: 500, severity: 'high' },
        ...{ machine: condition.kind === 'gateway_offline' ? '*' : 'horno-*', tag: looksAtTag ? 'temp*' : null },
        ...{ message: null, enabled: false },
      }
      const rule: AlarmRule = {
        ...{
          ...given,
          ruleId: PLANT,
          matches: { machines: 1, gateways: 0 },
          openAlarms: 0,
          createdAt: 1,
          updatedAt: 1,
        },
      }
      expect(ruleOf(formOf(rule, null))).toEqual(given)
      expect(v.parse(CreateAlarmRule, ruleOf(formOf(rule, null)))).toEqual(given)
    }
  })
})
