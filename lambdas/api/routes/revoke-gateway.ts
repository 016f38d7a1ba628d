import * as v from 'valibot'
import { Gateway } from '../../../schemas/api.ts'
import { ThingName } from '../../../schemas/slugs.ts'
import { findKnownGateway, revokeGateway } from '../../data/gateway-lifecycle.ts'
import { findGateway } from '../../data/live-gateways.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { shutOut } from '../../gateways/end-gateway.ts'
import { changeGateway } from '../change-gateway.ts'
import { notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

/** Postgres first: from then on it is revoked, and whatever of AWS IoT fails is done by a repetition or by the reconciler. */
export const route = userRoute({
  method: 'POST',
  path: '/v1/gateways/{thingName}/revoke',
  operationId: 'revokeGateway',
  summary:
    'Ends a gateway’s certificates, tokens and connection; AWS may need up to 8 minutes until this holds in all its places',
  params: v.object({ thingName: ThingName }),
  answer: { status: 200, schema: Gateway },
  async handle({ params: { thingName }, requestId, services, user }) {
    const { tenantId, userId, plantAccess } = user
    const gateway = await findKnownGateway(services.db, user, thingName)
    if (gateway === undefined) throw notFound()
    await revokeGateway(services.db, { tenantId, userId, requestId }, gateway, false)
    await changeGateway(services.db, gateway, () => shutOut(services, gateway))
    const revoked = await inTenant(services.db, tenantId, (transaction) =>
      findGateway(transaction, tenantId, plantAccess, thingName),
    )
    if (revoked === undefined) throw notFound()
    return revoked.gateway
  },
})
