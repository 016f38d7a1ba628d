import * as v from 'valibot'
import { AlarmWebhook } from '../../../schemas/alarm-requests.ts'
import { findAlarmWebhook } from '../../data/alarm-webhooks.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { alarmWebhookVersion } from '../object-versions.ts'
import { notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/alarm-webhooks/{webhookId}',
  operationId: 'getAlarmWebhook',
  summary: 'A webhook, with what came of the last attempt',
  params: v.object({ webhookId: v.pipe(v.string(), v.uuid()) }),
  answer: { status: 200, schema: AlarmWebhook },
  version: alarmWebhookVersion,
  async handle({ params: { webhookId }, services, user: { tenantId, plantAccess } }) {
    const webhook = await inTenant(services.db, tenantId, (transaction) =>
      findAlarmWebhook(transaction, tenantId, plantAccess, webhookId),
    )
    if (webhook === undefined) throw notFound()
    return webhook
  },
})
