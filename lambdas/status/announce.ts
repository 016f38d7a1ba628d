import type { SQSClient } from '@aws-sdk/client-sqs'
import type { StatusEvent } from '../../schemas/queues.ts'
import { cachedEntry, gatewaysKey, tellPlant } from '../data/live-cache.ts'
import { requestFanOut } from '../data/request-fan-out.ts'
import { liveGatewayOf, type Presence } from '../data/update-presence.ts'
import { logger, metrics } from '../runtime/frame.ts'
import type { Redis } from '../runtime/redis.ts'
import type { StatusMessage } from './read-status.ts'
import type { PresenceChange } from './store-statuses.ts'

interface Realtime {
  redis: Redis
  sqs: SQSClient
  fanOutQueueUrl: string
}

/** After the commit, like ingest's: tells of the change where somebody listens, and never fails. */
export async function announce(realtime: Realtime, changes: PresenceChange[]): Promise<void> {
  if (changes.length === 0) return
  try {
    const plants = plantsOf(changes)
    const watched = await realtime.redis.use(async (client) => {
      const told = await Promise.all(
        plants.map((plant) => {
          const events = () => plant.changes.flatMap((change) => change.messages).map(eventOf)
          const entries = plant.changes.map(({ presence }) => entryOf(presence))
          return tellPlant(client, plant, gatewaysKey(plant), entries, events)
        }),
      )
      return plants.filter((_, index) => told[index])
    })
    const items = watched.map((watchedPlant) => ({
      tenant: watchedPlant.tenant,
      plant: watchedPlant.plant,
      machines: [],
      gateways: watchedPlant.changes.map((change) => change.presence.thingName),
    }))
    await requestFanOut(realtime.sqs, realtime.fanOutQueueUrl, items)
  } catch (error) {
    metrics.addMetric('RealtimeUnavailable', 'Count', 1)
    logger.warn('Stored, but not announced', error as Error)
  }
}

function plantsOf(changes: PresenceChange[]) {
  const byPlant = Map.groupBy(changes, ({ messages: [first] }) => `${first!.tenant}/${first!.plant}`)
  return [...byPlant.values()].map((ofPlant) => {
    const { tenant, plant } = ofPlant[0]!.messages[0]!
    return { tenant, plant, changes: ofPlant }
  })
}

const entryOf = (presence: Presence) => cachedEntry(presence.thingName, liveGatewayOf(presence), presence.statusAt!)

function eventOf({ tenant, province, plant, thingName, status, receivedAt, traceId }: StatusMessage): StatusEvent {
  const { state, timestamp } = status
  return {
    ...{ type: 'status', tenant, province, plant, thingName, state, timestamp, receivedAt, traceId },
    ...(status.state === 'offline' && { reason: status.reason }),
  }
}
