import * as v from 'valibot'
import { findAlarmWebhook, requestWebhookTest } from '../../data/alarm-webhooks.ts'
import { requestDeliveries } from '../../data/tell-alarms.ts'
import { authorOf } from '../alarm-plants.ts'
import { notFound } from '../problem.ts'
import { changeRoute } from '../route.ts'

export const route = changeRoute({
  method: 'POST',
  path: '/v1/alarm-webhooks/{webhookId}/test',
  operationId: 'testAlarmWebhook',
  summary: 'Sends a test to a webhook; its lastAttemptAt and lastError say what came of it',
  params: v.object({ webhookId: v.pipe(v.string(), v.uuid()) }),
  answer: { status: 202 },
  async handle(call) {
    const { params, user, services, transaction, afterCommit } = call
    const webhook = await findAlarmWebhook(transaction, user.tenantId, user.plantAccess, params.webhookId)
    if (webhook === undefined) throw notFound()
    const outboxId = await requestWebhookTest(transaction, authorOf(call), webhook)
    const item = { outboxId, target: `webhook:${webhook.webhookId}` }
    afterCommit(() => requestDeliveries(services.sqs, services.alarmQueueUrl, [item]))
    return undefined
  },
})
