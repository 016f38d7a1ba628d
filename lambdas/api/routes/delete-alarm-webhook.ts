import * as v from 'valibot'
import { deleteAlarmWebhook, findAlarmWebhook } from '../../data/alarm-webhooks.ts'
import { authorOf } from '../alarm-plants.ts'
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
    const { params, user, transaction } = call
    const before = await findAlarmWebhook(transaction, user.tenantId, user.plantAccess, params.webhookId)
    if (before === undefined) throw notFound()
    await deleteAlarmWebhook(transaction, authorOf(call), before)
    return undefined
  },
})
