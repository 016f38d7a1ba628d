/**
 * Who watches which plant, in Redis. An entry ends by itself a little after the longest time that API Gateway keeps a
 * connection (2 h), because $disconnect is best effort.
 */
import * as v from 'valibot'
import type { Redis } from '../runtime/redis.ts'
import { liveVersionKey, plantIdKey, type PlantName, watchersKey } from './live-cache.ts'

type Client = Parameters<Parameters<Redis['use']>[0]>[0]

const LIFETIME_SEC = 7_800

const expiration = { type: 'EX', value: LIFETIME_SEC } as const
const connectionKey = (connectionId: string) => `connection:${connectionId}`
/** Connections of one user, with the time when each ends by itself. */
const ownConnectionsKey = (userId: string) => `connections-of:${userId}`
const ticketKey = (ticketSha256: string) => `ticket:${ticketSha256}`

/** What a ticket stands for. */
export const TicketHolder = v.object({
  userId: v.string(),
  firebaseUid: v.string(),
  /** Epoch seconds of the sign-in behind it. */
  authTime: v.number(),
  tenantId: v.string(),
  /** Slug. */
  tenant: v.string(),
})
export type TicketHolder = v.InferOutput<typeof TicketHolder>

export const Connection = v.object({
  ...TicketHolder.entries,
  connectionId: v.string(),
  plants: v.array(v.object({ plantId: v.string(), slug: v.string() })),
})
export type Connection = v.InferOutput<typeof Connection>

const stored = <Schema extends v.GenericSchema>(schema: Schema) => v.pipe(v.string(), v.parseJson(), schema)

/** As it lies in Redis, which forgets it by its own clock; `expiresAt`, epoch ms, is compared besides. */
const Ticket = v.object({ holder: TicketHolder, expiresAt: v.number() })

export async function saveTicket(client: Client, ticketSha256: string, holder: TicketHolder, expiresAt: number) {
  const expiration = { type: 'PX', value: expiresAt - Date.now() } as const
  await client.set(ticketKey(ticketSha256), JSON.stringify({ holder, expiresAt }), { expiration })
}

/** Takes the ticket: of two sockets with the same one, one gets it. */
export async function takeTicket(client: Client, ticketSha256: string): Promise<TicketHolder | undefined> {
  const text = await client.getDel(ticketKey(ticketSha256))
  if (text === null) return undefined
  const { holder, expiresAt } = v.parse(stored(Ticket), text)
  return Date.now() < expiresAt ? holder : undefined
}

export async function saveConnection(client: Client, connection: Connection): Promise<void> {
  const { connectionId, userId } = connection
  await client
    .multi()
    .set(connectionKey(connectionId), JSON.stringify(connection), { expiration })
    .zAdd(ownConnectionsKey(userId), { score: Date.now() + LIFETIME_SEC * 1000, value: connectionId })
    .expire(ownConnectionsKey(userId), LIFETIME_SEC)
    .exec()
}

export async function readConnection(client: Client, connectionId: string): Promise<Connection | undefined> {
  const text = await client.get(connectionKey(connectionId))
  return text === null ? undefined : v.parse(stored(Connection), text)
}

/**
 * Keeps the connection and its plants for another lifetime. Returns the version of each plant by id; undefined when the
 * connection is not known.
 */
export async function refreshConnection(
  client: Client,
  connectionId: string,
): Promise<Record<string, number> | undefined> {
  const connection = await readConnection(client, connectionId)
  if (connection === undefined) return undefined
  await saveConnection(client, connection)
  const versions: Record<string, number> = {}
  for (const { plantId, slug } of connection.plants) {
    await addWatcher(client, connection, slug)
    versions[plantId] = await liveVersion(client, { tenant: connection.tenant, plant: slug })
  }
  return versions
}

/**
 * Two subscriptions of one connection at the same moment may forget one in `plants`. It is still watched: `plants` only
 * serves to end the watching at once, which else its expiry and the first 410 do.
 */
export async function watchPlant(client: Client, connection: Connection, plant: { plantId: string; slug: string }) {
  await client.set(plantIdKey({ tenant: connection.tenant, plant: plant.slug }), plant.plantId, { expiration })
  await addWatcher(client, connection, plant.slug)
  const others = connection.plants.filter(({ plantId }) => plantId !== plant.plantId)
  await saveConnection(client, { ...connection, plants: [...others, plant] })
}

export async function unwatchPlant(client: Client, connection: Connection, plantId: string): Promise<void> {
  const plant = connection.plants.find((one) => one.plantId === plantId)
  if (plant === undefined) return
  await client.zRem(watchersKey({ tenant: connection.tenant, plant: plant.slug }), connection.connectionId)
  await saveConnection(client, { ...connection, plants: connection.plants.filter((one) => one !== plant) })
}

export async function removeConnection(client: Client, connectionId: string): Promise<void> {
  const connection = await readConnection(client, connectionId)
  for (const { slug } of connection?.plants ?? []) {
    await client.zRem(watchersKey({ tenant: connection!.tenant, plant: slug }), connectionId)
  }
  if (connection !== undefined) await client.zRem(ownConnectionsKey(connection.userId), connectionId)
  await client.del(connectionKey(connectionId))
}

/** Forgets all connections of a user, and returns their ids. */
export async function takeConnections(client: Client, userId: string): Promise<string[]> {
  const connectionIds = await client.zRange(ownConnectionsKey(userId), 0, -1)
  for (const connectionId of connectionIds) await removeConnection(client, connectionId)
  return connectionIds
}

/** Of the frames sent for the plant so far. */
export async function liveVersion(client: Client, plant: PlantName): Promise<number> {
  return Number((await client.get(liveVersionKey(plant))) ?? 0)
}

async function addWatcher(client: Client, { tenant, connectionId }: Connection, plant: string): Promise<void> {
  const key = watchersKey({ tenant, plant })
  const now = Date.now()
  await client
    .multi()
    .zRemRangeByScore(key, '-inf', now)
    .zAdd(key, { score: now + LIFETIME_SEC * 1000, value: connectionId })
    .expire(key, LIFETIME_SEC)
    .exec()
}
