import { CreatedGateway, CreateGateway } from '../../../schemas/api.ts'
import { addEnrolmentToken } from '../../data/enrolments.ts'
import { holdingLease } from '../../data/gateway-lease.ts'
import { findGateway } from '../../data/live-gateways.ts'
import { findPlant } from '../../data/plants.ts'
import { removeReservation } from '../../data/reserve-gateway.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { changeGateway } from '../change-gateway.ts'
import { reserveName } from '../gateway-name.ts'
import { createPolicy, createThing, deletePolicy, deleteThing } from '../../gateways/thing-and-policy.ts'
import { newSecret, sha256 } from '../one-time-secret.ts'
import { notFound } from '../problem.ts'
import { userRoute } from '../route.ts'
import { withUndo } from '../../runtime/with-undo.ts'

const TOKEN_LIFETIME_MS = 60 * 60 * 1000

/**
 * In this order: name, Thing, policy, token. Until it is enrolled the gateway can be asked for again by its name: what
 * is missing is made, nothing is undone, and a new token ends the one before.
 */
export const route = userRoute({
  method: 'POST',
  path: '/v1/gateways',
  operationId: 'createGateway',
  summary: 'Prepares a gateway and gives the command that enrols it, once, within an hour',
  body: CreateGateway,
  answer: { status: 201, schema: CreatedGateway },
  async handle({ body, requestId, services: { db, iot, apiUrl }, user }) {
    const { tenantId, tenantSlug: tenant, userId } = user
    const plant = await inTenant(db, tenantId, (transaction) =>
      findPlant(transaction, tenantId, user.plantAccess, body.plantId),
    )
    if (plant === undefined) throw notFound()

    const by = { tenantId, plantId: plant.plantId, userId, requestId }
    const { gatewayId, thingName, leaseEnd } = await reserveName(db, by, { tenant, ...plant }, body.thingName)
    const gateway = { tenantId, gatewayId }
    const sequence = () =>
      withUndo(async (undo) => {
        const onFailure: typeof undo = (what, takeBack) => {
          if (leaseEnd !== undefined) undo(what, takeBack)
        }
        onFailure('give the name back', () => removeReservation(db, gatewayId, { ...by, thingName }))

        onFailure('delete the Thing', () => deleteThing(iot, thingName))
        const arnPrefix = await createThing(iot, thingName)

        onFailure('delete the policy', () => deletePolicy(iot, thingName))
        await createPolicy(iot, arnPrefix, { tenant, province: plant.province, plant: plant.slug, thingName })

        const token = newSecret()
        const expiresAt = Date.now() + TOKEN_LIFETIME_MS
        await addEnrolmentToken(db, { ...by, gatewayId, thingName, tokenHash: sha256(token), expiresAt })

        const created = await inTenant(db, tenantId, (transaction) =>
          findGateway(transaction, tenantId, user.plantAccess, thingName),
        )
        return { gateway: created!.gateway, enrolment: { token, expiresAt, command: enrolCommand(apiUrl, token) } }
      })
    return leaseEnd === undefined ? changeGateway(db, gateway, sequence) : holdingLease(db, gateway, leaseEnd, sequence)
  },
})

function enrolCommand(apiUrl: string, token: string): string {
  return `gateway-agent enroll --config /etc/gateway-agent/config.yaml --url ${apiUrl} --token ${token}`
}
