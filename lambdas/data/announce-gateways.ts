import type { SQSClient } from '@aws-sdk/client-sqs'
import type { StatusEvent } from '../../schemas/queues.ts'
import { logger, metrics } from '../runtime/frame.ts'
import type { Redis } from '../runtime/redis.ts'
import { cachedEntry, type PlantName, tellPlant } from './live-cache.ts'
import { requestFanOut } from './request-fan-out.ts'
import { liveGatewayOf, type Presence } from './update-presence.ts'

export interface Realtime {
  redis: Redis
  sqs: SQSClient
  fanOutQueueUrl: string
}

/** A gateway whose presence has changed, as it is committed, and what is published of that. */
export interface GatewayNews extends PlantName {
  presence: Presence
  events: () => StatusEvent[]
}

/** After the commit: tells of changed gateways where somebody listens. Never fails: Postgres is the truth. */
export async function announceGateways(realtime: Realtime, news: GatewayNews[]): Promise<void> {
  if (news.length === 0) return
  try {
    const byPlant = Map.groupBy(news, ({ tenant, plant }) => `${tenant}/${plant}`)
    const plants = [...byPlant.values()].map((gateways) => ({ ...gateways[0]!, gateways }))
    const due = await realtime.redis.use(async (client) => {
      const told = await Promise.all(
        plants.map((plant) => {
          const entries = plant.gateways.map(({ presence }) => entryOf(presence))
          const events = () => plant.gateways.flatMap((gateway) => gateway.events())
          return tellPlant(client, plant, 'gateways', entries, events)
        }),
      )
      return plants.filter((_, index) => told[index]!.isDue)
    })
    await requestFanOut(realtime.sqs, realtime.fanOutQueueUrl, due)
  } catch (error) {
    metrics.addMetric('RealtimeUnavailable', 'Count', 1)
    logger.warn('Stored, but not announced', error as Error)
  }
}

const entryOf = (presence: Presence) => cachedEntry(presence.thingName, liveGatewayOf(presence), presence.statusAt!)
