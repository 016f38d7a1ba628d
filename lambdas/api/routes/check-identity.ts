import { IdentityRequest, IdentityState } from '../../../schemas/api.ts'
import { findGatewayById } from '../../data/gateway-lifecycle.ts'
import { mqttEndpoint } from '../../gateways/endpoint.ts'
import { gatewayPlace } from '../gateway-place.ts'
import { identify } from '../identity.ts'
import { notFound } from '../problem.ts'
import { openRoute } from '../route.ts'

/** A gateway's policy lets it publish only, so it asks here: at its start, every few minutes, and when it lost its connection. */
export const route = openRoute({
  method: 'POST',
  path: '/v1/identity/check',
  operationId: 'checkIdentity',
  summary:
    'Tells a gateway where it stands, under which topics it publishes, and whether it is to renew its certificate',
  body: IdentityRequest,
  answer: { status: 200, schema: IdentityState },
  async handle({ body, sourceIp, services }) {
    const gateway = await findGatewayById(services.db, await identify(services, 'check', body, sourceIp))
    if (gateway === undefined) throw notFound()
    const { lifecycle } = gateway
    if (lifecycle === 'created' || lifecycle === 'revoked') throw notFound()
    return { lifecycle, rotate: lifecycle === 'rotating', ...gatewayPlace(gateway, await mqttEndpoint(services.iot)) }
  },
})
