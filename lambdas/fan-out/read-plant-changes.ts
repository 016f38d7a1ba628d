import * as v from 'valibot'
import { LiveGateway, LiveMachine } from '../../schemas/live.ts'
import type { FanOutWorkItem } from '../../schemas/queues.ts'
import { gatewaysKey, liveVersionKey, plantIdKey, slowKey, stateKey, watchersKey } from '../data/live-cache.ts'
import type { Redis } from '../runtime/redis.ts'

export interface PlantChanges {
  connectionIds: string[]
  /** Id of the plant. */
  plant: string
  version: number
  machines: LiveMachine[]
  gateways: LiveGateway[]
}

/** What changed in a plant, as it is now, and who watches. Undefined when nobody does, or when there is nothing to tell. */
export async function readPlantChanges(redis: Redis, item: FanOutWorkItem): Promise<PlantChanges | undefined> {
  const found = await redis.use(async (client) => {
    const fields = (hash: string, names: string[]) => (names.length === 0 ? [] : client.hmGet(hash, names))
    const now = Date.now()
    const [watchers, slow, plant, machines, gateways] = await Promise.all([
      client.zRangeByScore(watchersKey(item), now, '+inf'),
      client.zRangeByScore(slowKey(item), now, '+inf'),
      client.get(plantIdKey(item)),
      fields(stateKey(item), item.machines),
      fields(gatewaysKey(item), item.gateways),
    ])
    const connectionIds = watchers.filter((watcher) => !slow.includes(watcher))
    const changed = [...machines, ...gateways].some((text) => text !== null)
    if (connectionIds.length === 0 || plant === null || !changed) return undefined
    // Last, so that a version is only used for a frame that exists.
    return { connectionIds, plant, version: await client.incr(liveVersionKey(item)), machines, gateways }
  })
  return found && { ...found, machines: read(LiveMachine, found.machines), gateways: read(LiveGateway, found.gateways) }
}

const read = <Entry>(schema: v.GenericSchema<unknown, Entry>, texts: (string | null)[]): Entry[] =>
  texts.flatMap((text) => (text === null ? [] : [v.parse(schema, JSON.parse(text))]))
