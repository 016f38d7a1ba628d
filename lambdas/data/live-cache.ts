/** Keys of the realtime side in Redis, and the writes that ingest and status share. Postgres is the truth of all of it. */
import type { Alarm } from '../../schemas/alarms.ts'
import type { LiveGateway, LiveMachineChange, MachineAbout, MachineState } from '../../schemas/live.ts'
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
export const alarmsKey = key('alarms')
/** Machines, gateways and alarms whose change no frame has told yet. */
export const changedMachinesKey = key('changed-machines')
/** What else than the state frames have to tell of machines: slug -> MachineAbout. */
export const aboutKey = key('about')
export const changedGatewaysKey = key('changed-gateways')
export const changedAlarmsKey = key('changed-alarms')
/** There while a work item of the plant waits for the fan-out. */
export const fanOutKey = key('fan-out')
/** When the plant's last frame was made, epoch ms. */
export const frameAtKey = key('frame-at')
/** Watchers that are not posted to for the moment, by when that ends. */
export const slowKey = key('slow')
export const eventsChannel = key('events')
export const liveVersionKey = key('live-version')
export const plantIdKey = key('plant-id')
/** Number of changes that people have made to the plant's machines. */
const editionKey = key('edition')
export const connectionKey = (connectionId: string) => `connection:${connectionId}`

/** A field of a hash: a machine, a gateway or an alarm as JSON that ends in its `revision`, which grows with each change. */
export interface CachedEntry {
  field: string
  json: string
  /** Of a machine: what watchers may not know yet of it. */
  about?: MachineAbout | undefined
}

export function cachedEntry(
  field: string,
  live: LiveMachineChange | LiveGateway | Alarm,
  revision: number,
  about?: MachineAbout,
): CachedEntry {
  return { field, json: JSON.stringify({ ...live, revision }), about }
}

/** The same of a machine whose values are at hand as JSON, with the trace id of its newest reading where that is known. */
export function cachedMachine(
  { machineId, slug, state }: { machineId: string; slug: string; state: MachineState },
  valuesJson: string,
  traceId: string | undefined,
  revision: number,
  about?: MachineAbout,
): CachedEntry {
  const { timestamp, seq, receivedAt, quality } = state
  const times = `"timestamp":${timestamp},"seq":${seq},"receivedAt":${receivedAt}`
  const qualityJson = quality ? `,"quality":${JSON.stringify(quality)}` : ''
  const stateJson = `{${times},"values":${valuesJson}${qualityJson}}`
  const ids = `"machineId":"${machineId}","slug":"${slug}"`
  const traceJson = traceId === undefined ? '' : `,"traceId":${JSON.stringify(traceId)}`
  const json = `{${ids},"state":${stateJson}${traceJson},"revision":${revision}}`
  return { field: slug, json, about }
}

/**
 * KEYS: the hash, the watchers, the edition, what has changed, the waiting work item, what else is to be told of machines. ARGV: the
 * time, the channel, then as lines (one long argument is written and read many times faster than a thousand short ones) the fields, their
 * JSON, and by turns fields and what else is to be told of them, which is kept where somebody watches: others get it with their snapshot.
 * Answers whether the fan-out has to be asked, how many listen, and the edition.
 *
 * Two consumers may write in another order than they have committed: an older revision never replaces a newer. The JSON
 * is kept as given; decoding and encoding it here would round its numbers to 14 digits. The revision is sought in the last
 * 20 characters: from the first one on, the search takes as long as all the rest.
 */
const TELL = `
local function revision(json) return tonumber(string.match(json, ':(%d+)}$', -20)) end
local function lines(text)
  local found, at = {}, 1
  while at <= #text do
    local stop = string.find(text, '\\n', at, true)
    found[#found + 1] = string.sub(text, at, stop - 1)
    at = stop + 1
  end
  return found
end
local fields, jsons, about, news, changed = lines(ARGV[3]), lines(ARGV[4]), lines(ARGV[5]), {}, {}
if #fields > 0 then
  local known = redis.call('HMGET', KEYS[1], unpack(fields))
  for i, json in ipairs(jsons) do
    if not known[i] or revision(known[i]) <= revision(json) then
      changed[#changed + 1] = fields[i]
      news[#news + 1] = fields[i]
      news[#news + 1] = json
    end
  end
  if #news > 0 then redis.call('HSET', KEYS[1], unpack(news)) end
end
for i = 1, #about, 2 do changed[#changed + 1] = about[i] end
local due = 0
if #changed > 0 and redis.call('ZCOUNT', KEYS[2], ARGV[1], '+inf') > 0 then
  redis.call('SADD', KEYS[4], unpack(changed))
  redis.call('PEXPIRE', KEYS[4], 60000)
  if #about > 0 then
    redis.call('HSET', KEYS[6], unpack(about))
    redis.call('PEXPIRE', KEYS[6], 60000)
  end
  if redis.call('SET', KEYS[5], 1, 'NX', 'PX', 5000) then due = 1 end
end
local listening = redis.call('PUBSUB', 'NUMSUB', ARGV[2])[2] + redis.call('PUBSUB', 'NUMPAT')
return { due, listening, tonumber(redis.call('GET', KEYS[3]) or 0) }`

const KEYS_OF = {
  machines: { hash: stateKey, changed: changedMachinesKey },
  gateways: { hash: gatewaysKey, changed: changedGatewaysKey },
  alarms: { hash: alarmsKey, changed: changedAlarmsKey },
}

/** An alarm that nobody asks for within a minute is forgotten here: others come in its place, and the snapshot is of Postgres. */
const ALARMS_SEC = 60

/** Lua's unpack takes some 8,000 values, two of each entry. */
const MAX_ENTRIES = 1_000

/**
 * Writes what changed in a plant, and publishes its events when anybody listens on the plant's channel. Of entries with
 * the same field the last counts. Returns whether the fan-out is to be asked for a frame, and the edition of the plant's
 * machines. It is asked once, until it begins with the plant: what changes meanwhile comes with the same frame. An item
 * that was lost is missed for 5 s at most, and then asked for again.
 */
export async function tellPlant(
  client: Client,
  plant: PlantName,
  kind: keyof typeof KEYS_OF,
  entries: CachedEntry[],
  events: () => (TelemetryEvent | StatusEvent)[],
): Promise<{ isDue: boolean; edition: number }> {
  const channel = eventsChannel(plant)
  const { hash, changed } = KEYS_OF[kind]
  const keys = [hash, watchersKey, editionKey, changed, fanOutKey, aboutKey].map((keyOf) => keyOf(plant))
  // Long texts go as bytes: those of a string are copied once more on their way.
  const lines = (texts: string[]) => Buffer.from(texts.map((text) => `${text}\n`).join(''))
  const groups = Array.from({ length: Math.ceil(entries.length / MAX_ENTRIES) || 1 }, (_, index) =>
    entries.slice(index * MAX_ENTRIES, (index + 1) * MAX_ENTRIES),
  )
  const answers = await Promise.all(
    groups.map((group) => {
      const [fields, jsons] = [lines(group.map((one) => one.field)), lines(group.map((one) => one.json))]
      const abouts = lines(group.flatMap(({ field, about }) => (about ? [field, JSON.stringify(about)] : [])))
      return client.eval(TELL, { keys, arguments: [String(Date.now()), channel, fields, jsons, abouts] })
    }),
  )
  if (kind === 'alarms') await client.expire(alarmsKey(plant), ALARMS_SEC)
  const [, listening, edition] = answers.at(-1) as [number, number, number]
  if (listening > 0) await Promise.all(events().map((event) => client.publish(channel, JSON.stringify(event))))
  return { isDue: answers.some((answer) => (answer as [number])[0] > 0), edition }
}

/** After a change to a machine: consumers look it up again with their next batch instead of within the minute. */
export async function tellOfNewEdition(client: Client, plant: PlantName): Promise<void> {
  await client.incr(editionKey(plant))
}

/** Of connections that API Gateway calls gone. Elsewhere they may still be listed: their next frame meets 410 again. */
export async function forgetConnections(client: Client, plant: PlantName, connectionIds: string[]): Promise<void> {
  await Promise.all([client.zRem(watchersKey(plant), connectionIds), client.del(connectionIds.map(connectionKey))])
}

const SKIPPED_SEC = 10

/** Lets connections that take no frames be, so that they do not delay the plant's others. Afterwards the gap in the versions makes them subscribe again. */
export async function skipConnections(client: Client, plant: PlantName, connectionIds: string[]): Promise<void> {
  const until = Date.now() + SKIPPED_SEC * 1000
  await client
    .multi()
    .zAdd(
      slowKey(plant),
      connectionIds.map((value) => ({ score: until, value })),
    )
    .expire(slowKey(plant), SKIPPED_SEC)
    .exec()
}
