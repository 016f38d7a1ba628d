import * as v from 'valibot'
import { AlarmRule } from '../../../schemas/alarm-requests.ts'
import { findAlarmRule } from '../../data/alarm-rules.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { alarmRuleVersion } from '../object-versions.ts'
import { notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/alarm-rules/{ruleId}',
  operationId: 'getAlarmRule',
  summary: 'An alarm rule, with what its patterns match now',
  params: v.object({ ruleId: v.pipe(v.string(), v.uuid()) }),
  answer: { status: 200, schema: AlarmRule },
  version: alarmRuleVersion,
  async handle({ params: { ruleId }, services, user: { tenantId, plantAccess } }) {
    const rule = await inTenant(services.db, tenantId, (transaction) =>
      findAlarmRule(transaction, tenantId, plantAccess, ruleId),
    )
    if (rule === undefined) throw notFound()
    return rule
  },
})
