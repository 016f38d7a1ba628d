import { AlarmWebhookPage } from '../../../schemas/alarm-requests.ts'
import { PageQuery } from '../../../schemas/api.ts'
import { listAlarmWebhooks } from '../../data/alarm-webhooks.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { pageOf } from '../cursor.ts'
import { nameKey, readNameCursor } from '../name-cursor.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/alarm-webhooks',
  operationId: 'listAlarmWebhooks',
  summary: 'Webhooks that alarms are sent to, by name, with what came of the last attempt',
  query: PageQuery,
  answer: { status: 200, schema: AlarmWebhookPage },
  async handle({ query: { limit, cursor }, services, user: { tenantId, plantAccess } }) {
    const page = { limit: limit + 1, after: readNameCursor(cursor) }
    const webhooks = await inTenant(services.db, tenantId, (transaction) =>
      listAlarmWebhooks(transaction, tenantId, plantAccess, page),
    )
    return pageOf(webhooks, limit, ({ name, webhookId: id }) => nameKey({ name, id }))
  },
})
