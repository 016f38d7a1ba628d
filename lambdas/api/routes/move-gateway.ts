import * as v from 'valibot'
import { Gateway, MoveGateway } from '../../../schemas/api.ts'
import { ThingName } from '../../../schemas/slugs.ts'
import { findGatewayById, findKnownGateway, type KnownGateway, moveGateway } from '../../data/gateway-lifecycle.ts'
import { findGateway } from '../../data/live-gateways.ts'
import { findPlant } from '../../data/plants.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { disconnect } from '../../gateways/disconnect.ts'
import { createThing, putPolicy } from '../../gateways/thing-and-policy.ts'
import { withUndo } from '../../runtime/with-undo.ts'
import { changeGateway } from '../change-gateway.ts'
import { checkNameFits } from '../gateway-name.ts'
import { notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

/**
 * The policy first: the other way round, what the gateway still sends under its old topics would be taken by the broker and then
 * refused. Its connection is ended so that it asks for its new topics; until then it keeps what it cannot publish.
 */
export const route = userRoute({
  method: 'POST',
  path: '/v1/gateways/{thingName}/move',
  operationId: 'moveGateway',
  summary: 'Moves a gateway to another plant: it publishes under its topics as soon as it has asked for them',
  params: v.object({ thingName: ThingName }),
  body: MoveGateway,
  answer: { status: 200, schema: Gateway },
  async handle({ params: { thingName }, body, requestId, services, user }) {
    const { db, iot, iotData, stage } = services
    const { tenantId, userId, plantAccess } = user
    const known = await findKnownGateway(db, user, thingName)
    const plant = await inTenant(db, tenantId, (transaction) =>
      findPlant(transaction, tenantId, plantAccess, body.plantId),
    )
    if (known === undefined || plant === undefined) throw notFound()
    checkNameFits({ tenant: known.tenant, ...plant }, thingName)

    await changeGateway(db, known, async () => {
      const gateway = await findGatewayById(db, known)
      if (gateway === undefined) throw notFound()
      const arnPrefix = await createThing(iot, stage, thingName)
      const allowAt = ({ province, plant: slug }: Pick<KnownGateway, 'province' | 'plant'>) =>
        putPolicy(iot, arnPrefix, { tenant: gateway.tenant, province, plant: slug, thingName })
      await withUndo(async (onFailure) => {
        onFailure('allow the old topics again', () => allowAt(gateway))
        await allowAt({ province: plant.province, plant: plant.slug })
        if (gateway.plantId !== plant.plantId) {
          await moveGateway(db, { tenantId, userId, requestId }, gateway, plant, Date.now())
        }
      })
      await disconnect(iotData, thingName)
    })
    const moved = await inTenant(db, tenantId, (transaction) =>
      findGateway(transaction, tenantId, plantAccess, thingName),
    )
    if (moved === undefined) throw notFound()
    return moved.gateway
  },
})
