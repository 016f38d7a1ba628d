/** Keys of the realtime side in Redis, and the writes that ingest and status share. Postgres is the truth of all of it. */
import type { LiveGateway, LiveMachine } from '../../schemas/live.ts'
import type { StatusEvent, TelemetryEvent } from '../../schemas/queues.ts'
import type { Redis } from '../runtime/redis.ts'

type Client = Parameters<Parameters<Redis['use']>[0]>[0]

/** Slugs of a plant, as topics and keys name it. */
export interface PlantName {
  tenant: string
  plant: string
}

const key = (kind: string) => (of: PlantName) => `${kind}:${of.tenant}:${of.plant}`
export const stateKey = key('state')
export const gatewaysKey = key('gateways')
export const watchersKey = key('watchers')
export const eventsChannel = key('events')
export const liveVersionKey = key('live-version')
export const plantIdKey = key('plant-id')
export const connectionKey = (connectionId: string) => `connection:${connectionId}`

/** A field of a hash: a machine or a gateway as JSON that ends in its `revision`, which grows with each change. */
export interface CachedEntry {
  field: string
  json: string
}

export function cachedEntry(field: string, live: LiveMachine | LiveGateway, revision: number): CachedEntry {
  return { field, json: JSON.stringify({ ...live, revision }) }
}

/**
 * KEYS: the hash. ARGV: the channel, the number of entries, field and JSON of each, then the events.
 * Two consumers may write in another order than they have committed: an older revision never replaces a newer. The JSON
 * is kept as given; decoding and encoding it here would round its numbers to 14 digits. The revision is sought in the last
 * 20 characters: from the first one on, the search takes as long as all the rest.
 */
const TELL = `
local function revision(json) return tonumber(string.match(json, ':(%d+)}$', -20)) end
local last = 2 + 2 * tonumber(ARGV[2])
for i = 3, last, 2 do
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  if not known or revision(known) <= revision(ARGV[i + 1]) then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
for i = last + 1, #ARGV do redis.call('PUBLISH', ARGV[1], ARGV[i]) end`

/** Writes what changed in a plant and publishes its events, in one command. */
export async function tellPlant(
  client: Client,
  plant: PlantName,
  hash: string,
  entries: CachedEntry[],
  events: (TelemetryEvent | StatusEvent)[],
): Promise<void> {
  const fields = entries.flatMap(({ field, json }) => [field, json])
  const messages = events.map((event) => JSON.stringify(event))
  const args = [eventsChannel(plant), String(entries.length), ...fields, ...messages]
  await client.eval(TELL, { keys: [hash], arguments: args })
}

export async function isWatched(client: Client, plant: PlantName): Promise<boolean> {
  return (await client.zCount(watchersKey(plant), Date.now(), '+inf')) > 0
}

/** Of connections that API Gateway calls gone. Elsewhere they may still be listed: their next frame meets 410 again. */
export async function forgetConnections(client: Client, plant: PlantName, connectionIds: string[]): Promise<void> {
  await Promise.all([client.zRem(watchersKey(plant), connectionIds), client.del(connectionIds.map(connectionKey))])
}
