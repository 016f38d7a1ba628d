import * as v from 'valibot'
import { Gateway } from '../../../schemas/api.ts'
import { ThingName } from '../../../schemas/slugs.ts'
import { findGateway } from '../../data/live-gateways.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/gateways/{thingName}',
  operationId: 'getGateway',
  summary: 'A gateway: whether it is connected and why not, its health, its last day',
  params: v.object({ thingName: ThingName }),
  answer: { status: 200, schema: Gateway },
  async handle({ params: { thingName }, services, user }) {
    const found = await inTenant(services.db, user.tenantId, (transaction) =>
      findGateway(transaction, user.tenantId, user.plantAccess, thingName),
    )
    if (found === undefined) throw notFound()
    return found.gateway
  },
})
