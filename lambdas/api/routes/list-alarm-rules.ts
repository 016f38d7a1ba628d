import { AlarmRulePage } from '../../../schemas/alarm-requests.ts'
import { PageQuery } from '../../../schemas/api.ts'
import { listAlarmRules } from '../../data/alarm-rules.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { pageOf } from '../cursor.ts'
import { nameKey, readNameCursor } from '../name-cursor.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/alarm-rules',
  operationId: 'listAlarmRules',
  summary: 'Alarm rules of the user’s plants and of all plants, by name',
  query: PageQuery,
  answer: { status: 200, schema: AlarmRulePage },
  async handle({ query: { limit, cursor }, services, user: { tenantId, plantAccess } }) {
    const page = { limit: limit + 1, after: readNameCursor(cursor) }
    const rules = await inTenant(services.db, tenantId, (transaction) =>
      listAlarmRules(transaction, tenantId, plantAccess, page),
    )
    return pageOf(rules, limit, ({ name, ruleId: id }) => nameKey({ name, id }))
  },
})
