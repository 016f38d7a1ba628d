import * as v from 'valibot'
import { ThingName } from '../../../schemas/slugs.ts'
import { findKnownGateway } from '../../data/gateway-lifecycle.ts'
import { changeGateway } from '../change-gateway.ts'
import { gatewayBundle } from '../gateway-bundle.ts'
import { prepareEnrolment } from '../prepare-enrolment.ts'
import { ApiError, notFound } from '../problem.ts'
import { OtherContent, userRoute } from '../route.ts'

export const route = userRoute({
  method: 'POST',
  path: '/v1/gateways/{thingName}/bundle',
  operationId: 'bundleGateway',
  summary:
    'Gives a zip with configuration, CA and a script that enrols, whose token lasts an hour and ends the one before',
  params: v.object({ thingName: ThingName }),
  answer: { status: 200, otherContent: 'application/zip' },
  async handle({ params: { thingName }, requestId, services, user }) {
    const gateway = await findKnownGateway(services.db, user, thingName)
    if (gateway === undefined) throw notFound()
    return changeGateway(services.db, gateway, async () => {
      // Once more, as the sequence before this one may have enrolled it.
      const { lifecycle } = (await findKnownGateway(services.db, user, thingName)) ?? gateway
      if (lifecycle !== 'created' && lifecycle !== 'revoked') {
        throw new ApiError('conflict', 'This gateway is enrolled. Revoke it first, and then enrol it anew.')
      }
      const by = { userId: user.userId, requestId }
      // What is there already is not undone: the gateway is no new one.
      const { command } = await prepareEnrolment(services, by, gateway, () => undefined)
      const zip = gatewayBundle({ ...gateway, command, caPem: services.iotCaPem })
      return new OtherContent('application/zip', Buffer.from(zip), {
        'content-disposition': `attachment; filename="${thingName}.zip"`,
      })
    })
  },
})
