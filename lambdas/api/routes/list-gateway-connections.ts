import * as v from 'valibot'
import { EpochMsText, GatewayConnectionPage, PageQuery } from '../../../schemas/api.ts'
import { ThingName } from '../../../schemas/slugs.ts'
import { listConnections } from '../../data/gateway-connections.ts'
import { findGateway } from '../../data/live-gateways.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { pageOf, readCursor } from '../cursor.ts'
import { invalidField, notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/gateways/{thingName}/connections',
  operationId: 'listGatewayConnections',
  summary:
    'When a gateway was connected and when not, for how long and why, in [from, to), newest first; 90 days are kept',
  params: v.object({ thingName: ThingName }),
  query: v.strictObject({ ...PageQuery.entries, from: v.optional(EpochMsText, '0'), to: v.optional(EpochMsText) }),
  answer: { status: 200, schema: GatewayConnectionPage },
  async handle({ params: { thingName }, query: { limit, cursor, from, to }, services, user }) {
    const now = Date.now()
    const range = { from, to: to ?? now + 1, limit: limit + 1, after: readCursor(cursor) }
    if (range.to <= from) throw invalidField('to', 'must be after from')
    if (!v.is(v.optional(EpochMsText), range.after)) throw invalidField('cursor', 'must be of this list')
    const connections = await inTenant(services.db, user.tenantId, async (transaction) => {
      const found = await findGateway(transaction, user.tenantId, user.plantAccess, thingName)
      if (found === undefined) throw notFound()
      return listConnections(transaction, user.tenantId, found.gatewayId, range, now)
    })
    return pageOf(connections, limit, (connection) => String(connection.from))
  },
})
