import * as v from 'valibot'
import { GatewayPage, PageQuery } from '../../../schemas/api.ts'
import { listGateways } from '../../data/live-gateways.ts'
import { findPlant } from '../../data/plants.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { pageOf, readCursor } from '../cursor.ts'
import { notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/gateways',
  operationId: 'listGateways',
  summary: 'Gateways of the user’s plants, or of one of them, by name',
  query: v.strictObject({ ...PageQuery.entries, plantId: v.optional(v.pipe(v.string(), v.uuid())) }),
  answer: { status: 200, schema: GatewayPage },
  async handle({ query: { limit, cursor, plantId }, services, user }) {
    const page = { limit: limit + 1, after: readCursor(cursor) }
    const gateways = await inTenant(services.db, user.tenantId, async (transaction) => {
      if (plantId !== undefined) {
        const plant = await findPlant(transaction, user.tenantId, user.plantAccess, plantId)
        if (plant === undefined) throw notFound()
      }
      return listGateways(transaction, user.tenantId, user.plantAccess, plantId, page)
    })
    return pageOf(gateways, limit, (gateway) => gateway.thingName)
  },
})
