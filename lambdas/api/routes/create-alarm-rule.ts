import { AlarmRule, CreateAlarmRule, MAX_RULES_PER_TENANT } from '../../../schemas/alarm-requests.ts'
import { findAlarmRule } from '../../data/alarm-rules.ts'
import { createAlarmRule } from '../../data/save-alarm-rule.ts'
import { authorOf, mustSpeakFor } from '../alarm-plants.ts'
import { alarmRuleVersion } from '../object-versions.ts'
import { ApiError } from '../problem.ts'
import { changeRoute } from '../route.ts'

export const route = changeRoute({
  method: 'POST',
  path: '/v1/alarm-rules',
  operationId: 'createAlarmRule',
  summary: 'Makes an alarm rule; consumers know it within seconds. `matches` says what its patterns match now',
  body: CreateAlarmRule,
  answer: { status: 201, schema: AlarmRule },
  version: alarmRuleVersion,
  async handle(call) {
    const { body, user, newId: ruleId, transaction } = call
    await mustSpeakFor(transaction, user, body.plantId)
    if (!(await createAlarmRule(transaction, authorOf(call), ruleId, body))) throw tooMany()
    return (await findAlarmRule(transaction, user.tenantId, user.plantAccess, ruleId))!
  },
})

const tooMany = () =>
  new ApiError(
    'conflict',
    `The company has ${MAX_RULES_PER_TENANT} alarm rules, its most. Delete one first, or let one rule stand for many machines by a pattern.`,
  )
