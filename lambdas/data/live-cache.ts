/** Keys of the realtime side in Redis, and the writes that ingest and status share. Postgres is the truth of all of it. */
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

/** One field of a hash: its JSON holds `revision`, which grows with each change in Postgres. */
export interface CachedEntry {
  field: string
  revision: number
  json: string
}

/**
 * Two consumers may write what they read in another order than they read it: an older revision never replaces a newer.
 * The JSON is stored as given; decoding and encoding it in Lua would round its numbers to 14 digits.
 */
const WRITE_NEWER = `
for i = 1, #ARGV, 3 do
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  if not known or cjson.decode(known).revision <= tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
  end
end`

export async function writeNewer(client: Client, hash: string, entries: CachedEntry[]): Promise<void> {
  const args = entries.flatMap(({ field, revision, json }) => [field, String(revision), json])
  await client.eval(WRITE_NEWER, { keys: [hash], arguments: args })
}

export async function publish(client: Client, event: TelemetryEvent | StatusEvent): Promise<void> {
  await client.publish(eventsChannel(event), JSON.stringify(event))
}

export async function isWatched(client: Client, plant: PlantName): Promise<boolean> {
  return (await client.zCount(watchersKey(plant), Date.now(), '+inf')) > 0
}

/** Of connections that API Gateway calls gone. Elsewhere they may still be listed: their next frame meets 410 again. */
export async function forgetConnections(client: Client, plant: PlantName, connectionIds: string[]): Promise<void> {
  await Promise.all([client.zRem(watchersKey(plant), connectionIds), client.del(connectionIds.map(connectionKey))])
}
