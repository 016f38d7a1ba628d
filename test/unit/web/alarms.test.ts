import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { type AlarmRule, CreateAlarmRule } from '../../../schemas/alarm-requests.ts'
import type { Alarm, AlarmCondition } from '../../../schemas/alarms.ts'
import { compareAlarms } from '../../../web/src/components/alarms/alarm-order.ts'
import { openAlarmsOf } from '../../../web/src/components/alarms/open-alarms.ts'
import { formOf, KINDS, ruleOf } from '../../../web/src/components/alarms/rule-form.ts'
import { applyChanges, applyWhole, createPlantPicture } from '../../../web/src/live/plant-picture.ts'
import { machineId, PLANT } from './live-fixtures.ts'

function alarm(n: number, more: Partial<Alarm> = {}): Alarm {
  return {
    ...{ alarmId: machineId(n), ruleId: PLANT, ruleName: 'rule', plantId: PLANT, machineId: machineId(1) },
    ...{ machine: 'machine-1', thingName: null, tag: 't', condition: { kind: 'quality_bad' }, severity: 'medium' },
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
