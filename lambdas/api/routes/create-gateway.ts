import { CreatedGateway, CreateGateway } from '../../../schemas/api.ts'
import { holdingLease } from '../../data/gateway-lease.ts'
import { findGateway } from '../../data/live-gateways.ts'
import { findPlant } from '../../data/plants.ts'
import { removeReservation } from '../../data/reserve-gateway.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { withUndo } from '../../runtime/with-undo.ts'
import { changeGateway } from '../change-gateway.ts'
import { reserveName } from '../gateway-name.ts'
import { prepareEnrolment } from '../prepare-enrolment.ts'
import { notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

/**
 * The name first, then what prepareEnrolment makes. Until it is enrolled, and when it was revoked, the gateway can be asked for
 * again by its name: what is missing is made, nothing is undone, and a new token ends the one before.
 */
export const route = userRoute({
  method: 'POST',
  path: '/v1/gateways',
  operationId: 'createGateway',
  summary: 'Prepares a gateway and gives the command that enrols it, once, within an hour',
  body: CreateGateway,
  answer: { status: 201, schema: CreatedGateway },
  async handle({ body, requestId, newId, services, user }) {
    const { db } = services
    const { tenantId, tenantSlug: tenant, userId } = user
    const plant = await inTenant(db, tenantId, (transaction) =>
      findPlant(transaction, tenantId, user.plantAccess, body.plantId),
    )
    if (plant === undefined) throw notFound()

    const by = { tenantId, plantId: plant.plantId, userId, requestId, newId }
    const { gatewayId, thingName, leaseEnd } = await reserveName(db, by, { tenant, ...plant }, body.thingName)
    const gateway = { tenantId, gatewayId, tenant, province: plant.province, plant: plant.slug, thingName }
    const sequence = () =>
      withUndo(async (onFailure) => {
        const onFailureOfNew: typeof onFailure = (what, undo) => {
          if (leaseEnd !== undefined) onFailure(what, undo)
        }
        onFailureOfNew('give the name back', () => removeReservation(db, gatewayId, { ...by, thingName }))
        const enrolment = await prepareEnrolment(services, by, gateway, onFailureOfNew)
        const created = await inTenant(db, tenantId, (transaction) =>
          findGateway(transaction, tenantId, user.plantAccess, thingName),
        )
        return { gateway: created!.gateway, enrolment }
      })
    return leaseEnd === undefined ? changeGateway(db, gateway, sequence) : holdingLease(db, gateway, leaseEnd, sequence)
  },
})
