import { createHash } from 'node:crypto'
import { saveConnection, takeTicket } from '../data/live-connections.ts'
import type { Services } from './services.ts'

/** False when the ticket is missing, wrong, used or too old. Nothing can be posted yet: the socket opens afterwards. */
export async function connect({ redis }: Services, connectionId: string, ticket: string | undefined): Promise<boolean> {
  if (ticket === undefined) return false
  const ticketSha256 = createHash('sha256').update(ticket).digest('hex')
  return redis.use(async (client) => {
    const holder = await takeTicket(client, ticketSha256)
    if (holder === undefined) return false
    await saveConnection(client, { ...holder, connectionId, plants: [] })
    return true
  })
}
