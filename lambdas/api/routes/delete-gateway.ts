import * as v from 'valibot'
import { ThingName } from '../../../schemas/slugs.ts'
import { findKnownGateway, revokeGateway } from '../../data/gateway-lifecycle.ts'
import { eraseGateway } from '../../gateways/end-gateway.ts'
import { changeGateway } from '../change-gateway.ts'
import { notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

/** Revoked first, then removed from AWS IoT, from Postgres last. What its machines have sent stays. */
export const route = userRoute({
  method: 'DELETE',
  path: '/v1/gateways/{thingName}',
  operationId: 'deleteGateway',
  summary: 'Revokes a gateway and removes it, with the history of its connections; readings stay',
  params: v.object({ thingName: ThingName }),
  answer: { status: 204 },
  async handle({ params: { thingName }, requestId, services, user }) {
    const gateway = await findKnownGateway(services.db, user, thingName)
    if (gateway === undefined) throw notFound()
    await revokeGateway(services.db, { tenantId: user.tenantId, userId: user.userId, requestId }, gateway, true)
    await changeGateway(services.db, gateway, () => eraseGateway(services, gateway))
    return undefined
  },
})
