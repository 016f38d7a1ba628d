import * as v from 'valibot'
import { Gateway } from '../../../schemas/api.ts'
import { ThingName } from '../../../schemas/slugs.ts'
import { requestRotation } from '../../data/gateway-lifecycle.ts'
import { findGateway } from '../../data/live-gateways.ts'
import { ApiError, notFound } from '../problem.ts'
import { changeRoute } from '../route.ts'

export const route = changeRoute({
  method: 'POST',
  path: '/v1/gateways/{thingName}/rotate',
  operationId: 'rotateGateway',
  summary: 'Asks a gateway for a new key and gives it a new certificate, without a gap; it learns of it within minutes',
  params: v.object({ thingName: ThingName }),
  answer: { status: 200, schema: Gateway },
  async handle({ params: { thingName }, requestId, user, transaction }) {
    const { tenantId, userId, plantAccess } = user
    const find = () => findGateway(transaction, tenantId, plantAccess, thingName)
    const found = await find()
    if (found === undefined) throw notFound()
    const { gatewayId, gateway } = found
    const by = { tenantId, userId, requestId }
    if (!(await requestRotation(transaction, by, { gatewayId, thingName, plantId: gateway.plantId }))) {
      throw new ApiError('conflict', 'This gateway has no certificate to replace. Enrol it first.')
    }
    return (await find())!.gateway
  },
})
