import * as v from 'valibot'
import { deleteAlarmWebhook, findAlarmWebhook } from '../../data/alarm-webhooks.ts'
import { authorOf } from '../alarm-plants.ts'
import { alarmWebhookVersion } from '../object-versions.ts'
import { notFound } from '../problem.ts'
import { changeRoute } from '../route.ts'

export const route = changeRoute({
  method: 'DELETE',
  path: '/v1/alarm-webhooks/{webhookId}',
  operationId: 'deleteAlarmWebhook',
  summary: 'Deletes a webhook with its secret',
  params: v.object({ webhookId: v.pipe(v.string(), v.uuid()) }),
  answer: { status: 204 },
  async handle(call) {
    const { params, user, transaction, mustMatch } = call
    const { tenantId, plantAccess } = user
    const before = await findAlarmWebhook(transaction, tenantId, plantAccess, params.webhookId, { lock: true })
    if (before === undefined) throw notFound()
    mustMatch(alarmWebhookVersion(before))
    await deleteAlarmWebhook(transaction, authorOf(call), before)
    return undefined
  },
})
