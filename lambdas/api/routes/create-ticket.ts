import { RealtimeTicket } from '../../../schemas/api.ts'
import { saveTicket } from '../../data/live-connections.ts'
import { RedisUnavailable } from '../../runtime/redis.ts'
import { newSecret, sha256 } from '../one-time-secret.ts'
import { ApiError } from '../problem.ts'
import { userRoute } from '../route.ts'

const LIFETIME_MS = 30_000

/** A browser cannot set headers on a WebSocket, and URLs are logged: hence a ticket that works once, at once. */
export const route = userRoute({
  method: 'POST',
  path: '/v1/realtime/ticket',
  operationId: 'createTicket',
  summary: 'A ticket that opens one live socket (`{url}?ticket={ticket}`) within 30 s',
  answer: { status: 201, schema: RealtimeTicket },
  async handle({ services: { redis, realtimeUrl }, user, authTime }) {
    const ticket = newSecret()
    const ticketSha256 = sha256(ticket).toString('hex')
    const { userId, firebaseUid, tenantId, tenantSlug: tenant } = user
    const holder = { userId, firebaseUid, authTime, tenantId, tenant }
    const expiresAt = Date.now() + LIFETIME_MS
    try {
      await redis.use((client) => saveTicket(client, ticketSha256, holder, expiresAt))
    } catch (error) {
      if (!(error instanceof RedisUnavailable)) throw error
      throw new ApiError('unavailable', 'Live values are not available at the moment; stored ones are. Try again.')
    }
    return { url: realtimeUrl, ticket, expiresAt }
  },
})
