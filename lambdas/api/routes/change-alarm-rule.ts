import * as v from 'valibot'
import { AlarmRule, ChangeAlarmRule, misfitsOf } from '../../../schemas/alarm-requests.ts'
import { changedAlarms } from '../../data/alarms.ts'
import { announceAlarms } from '../../data/announce-alarms.ts'
import { findAlarmRule } from '../../data/alarm-rules.ts'
import { changeAlarmRule } from '../../data/save-alarm-rule.ts'
import { authorOf, mustSpeakFor } from '../alarm-plants.ts'
import { alarmRuleVersion } from '../object-versions.ts'
import { invalidField, notFound } from '../problem.ts'
import { changeRoute } from '../route.ts'

export const route = changeRoute({
  method: 'PATCH',
  path: '/v1/alarm-rules/{ruleId}',
  operationId: 'changeAlarmRule',
  summary: 'Changes an alarm rule. Where it looks elsewhere, or is disabled, its open alarms end',
  params: v.object({ ruleId: v.pipe(v.string(), v.uuid()) }),
  body: ChangeAlarmRule,
  answer: { status: 200, schema: AlarmRule },
  version: alarmRuleVersion,
  async handle(call) {
    const { params, body, user, services, transaction, mustMatch, afterCommit } = call
    const { tenantId, plantAccess } = user
    const found = await findAlarmRule(transaction, tenantId, plantAccess, params.ruleId)
    if (found === undefined) throw notFound()
    await mustSpeakFor(transaction, user, found.plantId)
    if (body.plantId !== undefined) await mustSpeakFor(transaction, user, body.plantId)
    const ended = await changeAlarmRule(transaction, authorOf(call), plantAccess, params.ruleId, (before) => {
      mustMatch(alarmRuleVersion(before))
      const after = { ...before, ...body }
      for (const { field, message } of misfitsOf(after)) throw invalidField(field, message)
      return after
    })
    const alarms = await changedAlarms(transaction, ended ?? [])
    afterCommit(() => announceAlarms(services, alarms))
    return (await findAlarmRule(transaction, tenantId, plantAccess, params.ruleId))!
  },
})
