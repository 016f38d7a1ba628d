import { randomBytes } from 'node:crypto'
import { CreateAlarmWebhook, CreatedAlarmWebhook, MAX_WEBHOOKS_PER_TENANT } from '../../../schemas/alarm-requests.ts'
import { createAlarmWebhook, findAlarmWebhook } from '../../data/alarm-webhooks.ts'
import { sealSecret } from '../../runtime/seal-secret.ts'
import { authorOf, mustSpeakFor } from '../alarm-plants.ts'
import { mustBePublic } from '../must-be-public.ts'
import { ApiError } from '../problem.ts'
import { changeRoute } from '../route.ts'

export const route = changeRoute({
  method: 'POST',
  path: '/v1/alarm-webhooks',
  operationId: 'createAlarmWebhook',
  summary: 'Makes a webhook for alarms; the secret that signs its requests is shown this once',
  body: CreateAlarmWebhook,
  answer: { status: 201, schema: CreatedAlarmWebhook },
  async handle(call) {
    const { body, user, newId: webhookId, services, transaction } = call
    await mustSpeakFor(transaction, user, body.plantId)
    await mustBePublic(services, body.url)
    // The form of standardwebhooks.com, so that its libraries verify our requests.
    const secret = `whsec_${randomBytes(32).toString('base64')}`
    const sealedSecret = sealSecret(await services.webhookKey(), webhookId, secret)
    if (!(await createAlarmWebhook(transaction, authorOf(call), { ...body, webhookId, sealedSecret }))) throw tooMany()
    return { webhook: (await findAlarmWebhook(transaction, user.tenantId, user.plantAccess, webhookId))!, secret }
  },
})

const tooMany = () =>
  new ApiError('conflict', `The company has ${MAX_WEBHOOKS_PER_TENANT} webhooks, its most. Delete one first.`)
