import { createHash } from 'node:crypto'
import { findUser } from '../data/find-user.ts'
import { removeConnection, saveConnection, takeTicket } from '../data/live-connections.ts'
import { isStillSignedIn } from './is-still-signed-in.ts'
import type { Services } from './services.ts'

/**
 * False when the ticket is missing, wrong, used or too old. Nothing can be posted yet: the socket opens afterwards. The user is
 * looked up after the connection is saved: a change of the user either finds the connection, or is found here.
 */
export async function connect(
  { db, redis }: Services,
  connectionId: string,
  ticket: string | undefined,
): Promise<boolean> {
  if (ticket === undefined) return false
  const ticketSha256 = createHash('sha256').update(ticket).digest('hex')
  const holder = await redis.use((client) => takeTicket(client, ticketSha256))
  if (holder === undefined) return false
  await redis.use((client) => saveConnection(client, { ...holder, connectionId, plants: [] }))
  if (isStillSignedIn(await findUser(db, holder.firebaseUid), holder)) return true
  await redis.use((client) => removeConnection(client, connectionId))
  return false
}
