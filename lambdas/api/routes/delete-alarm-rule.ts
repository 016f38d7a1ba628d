import * as v from 'valibot'
import { changedAlarms } from '../../data/alarms.ts'
import { announceAlarms } from '../../data/announce-alarms.ts'
import { findAlarmRule } from '../../data/alarm-rules.ts'
import { deleteAlarmRule } from '../../data/save-alarm-rule.ts'
import { authorOf, mustSpeakFor } from '../alarm-plants.ts'
import { alarmRuleVersion } from '../object-versions.ts'
import { notFound } from '../problem.ts'
import { changeRoute } from '../route.ts'

export const route = changeRoute({
  method: 'DELETE',
  path: '/v1/alarm-rules/{ruleId}',
  operationId: 'deleteAlarmRule',
  summary: 'Deletes an alarm rule; its open alarms end, and stay in the history',
  params: v.object({ ruleId: v.pipe(v.string(), v.uuid()) }),
  answer: { status: 204 },
  async handle(call) {
    const { params, user, services, transaction, mustMatch, afterCommit } = call
    const found = await findAlarmRule(transaction, user.tenantId, user.plantAccess, params.ruleId)
    if (found === undefined) throw notFound()
    await mustSpeakFor(transaction, user, found.plantId)
    const ended = await deleteAlarmRule(transaction, authorOf(call), user.plantAccess, params.ruleId, (before) =>
      mustMatch(alarmRuleVersion(before)),
    )
    const alarms = await changedAlarms(transaction, ended ?? [])
    afterCommit(() => announceAlarms(services, alarms))
    return undefined
  },
})
