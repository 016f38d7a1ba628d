import * as v from 'valibot'
import { Alarm } from '../../schemas/alarms.ts'
import { LiveGateway, LiveMachine, type LiveMachineChange, MachineAbout } from '../../schemas/live.ts'
import {
  aboutKey,
  alarmsKey,
  changedAlarmsKey,
  changedGatewaysKey,
  changedMachinesKey,
  fanOutKey,
  frameAtKey,
  gatewaysKey,
  liveVersionKey,
  plantIdKey,
  type PlantName,
  slowKey,
  stateKey,
  watchersKey,
} from '../data/live-cache.ts'
import type { Redis } from '../runtime/redis.ts'

export interface PlantChanges {
  connectionIds: string[]
  /** Id of the plant. */
  plant: string
  version: number
  machines: LiveMachineChange[]
  gateways: LiveGateway[]
  alarms: Alarm[]
  /** Of the readings that are the machines' newest. */
  traceIds: string[]
}

/**
 * KEYS: watchers, slow ones, the plant's id, changed machines, changed gateways, the waiting work item, the version, the
 * time of the last frame, changed alarms, what else is to be told of machines. ARGV: the time. What it takes it takes away, and
 * counts the version up with it: if this process dies before it has posted the frame, watchers find the gap.
 */
const TAKE = `
local slow, watchers = {}, {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[1], '+inf')) do slow[id] = true end
local all = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf')
for _, id in ipairs(all) do if not slow[id] then watchers[#watchers + 1] = id end end
local plant, machines, gateways = redis.call('GET', KEYS[3]), redis.call('SMEMBERS', KEYS[4]), redis.call('SMEMBERS', KEYS[5])
local alarms, about = redis.call('SMEMBERS', KEYS[9]), redis.call('HGETALL', KEYS[10])
redis.call('DEL', KEYS[4], KEYS[5], KEYS[6], KEYS[9], KEYS[10])
if #all == 0 or not plant or #machines + #gateways + #alarms == 0 then return {} end
redis.call('SET', KEYS[8], ARGV[1], 'PX', 1000)
return { plant, redis.call('INCR', KEYS[7]), watchers, machines, gateways, alarms, about }`

const KEYS = [
  watchersKey,
  slowKey,
  plantIdKey,
  changedMachinesKey,
  changedGatewaysKey,
  fanOutKey,
  liveVersionKey,
  frameAtKey,
  changedAlarmsKey,
  aboutKey,
]

/** What has changed in a plant since its last frame, as it is now, and who watches. Undefined when there is nobody, or nothing, to tell. */
export async function takePlantChanges(redis: Redis, of: PlantName): Promise<PlantChanges | undefined> {
  const found = await redis.use(async (client) => {
    const taken = await client.eval(TAKE, { keys: KEYS.map((keyOf) => keyOf(of)), arguments: [String(Date.now())] })
    if ((taken as unknown[]).length === 0) return undefined
    const [plant, version, connectionIds, machines, gateways, alarms, about] = taken as [string, number, ...string[][]]
    const fields = (hash: string, names: string[] = []) => (names.length === 0 ? [] : client.hmGet(hash, names))
    const texts = await Promise.all([
      fields(stateKey(of), machines),
      fields(gatewaysKey(of), gateways),
      fields(alarmsKey(of), alarms),
    ])
    return { plant, version, connectionIds: connectionIds!, about: aboutBySlug(about!), texts }
  })
  if (found === undefined) return undefined
  const { texts, about, ...frame } = found
  const [machines, gateways, alarms] = texts
  const traced = read(TracedState, machines)
  return {
    ...frame,
    machines: traced.map(({ machineId, slug, state }) => ({ machineId, slug, ...about.get(slug), state })),
    traceIds: traced.flatMap(({ traceId }) => traceId ?? []),
    gateways: read(LiveGateway, gateways),
    alarms: read(Alarm, alarms),
  }
}

const TracedState = v.object({
  ...v.pick(LiveMachine, ['machineId', 'slug', 'state']).entries,
  traceId: v.optional(v.string()),
})

/** Of what HGETALL answers: by turns a field and its text. */
const aboutBySlug = (turns: string[]) =>
  new Map(
    turns.flatMap((slug, index) =>
      index % 2 === 0 ? [[slug, v.parse(MachineAbout, JSON.parse(turns[index + 1]!))] as const] : [],
    ),
  )

const read = <Entry>(schema: v.GenericSchema<unknown, Entry>, texts: (string | null)[]): Entry[] =>
  texts.flatMap((text) => (text === null ? [] : [v.parse(schema, JSON.parse(text))]))
