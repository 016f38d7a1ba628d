import * as v from 'valibot'
import { AlarmWebhook, ChangeAlarmWebhook } from '../../../schemas/alarm-requests.ts'
import { changeAlarmWebhook, findAlarmWebhook } from '../../data/alarm-webhooks.ts'
import { authorOf, mustSpeakFor } from '../alarm-plants.ts'
import { mustBePublic } from '../must-be-public.ts'
import { alarmWebhookVersion } from '../object-versions.ts'
import { notFound } from '../problem.ts'
import { changeRoute } from '../route.ts'

export const route = changeRoute({
  method: 'PATCH',
  path: '/v1/alarm-webhooks/{webhookId}',
  operationId: 'changeAlarmWebhook',
  summary: 'Changes a webhook; its secret stays. For another secret make another webhook',
  params: v.object({ webhookId: v.pipe(v.string(), v.uuid()) }),
  body: ChangeAlarmWebhook,
  answer: { status: 200, schema: AlarmWebhook },
  version: alarmWebhookVersion,
  async handle(call) {
    const { params, body, user, services, transaction, mustMatch } = call
    const { tenantId, plantAccess } = user
    const before = await findAlarmWebhook(transaction, tenantId, plantAccess, params.webhookId, { lock: true })
    if (before === undefined) throw notFound()
    mustMatch(alarmWebhookVersion(before))
    if (body.plantId !== undefined) await mustSpeakFor(transaction, user, body.plantId)
    if (body.url !== undefined) await mustBePublic(services, body.url)
    await changeAlarmWebhook(transaction, authorOf(call), before, body)
    return (await findAlarmWebhook(transaction, tenantId, plantAccess, params.webhookId))!
  },
})
