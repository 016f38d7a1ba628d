import { SQSClient } from '@aws-sdk/client-sqs'
import * as v from 'valibot'
import type { StatusEvent } from '../../schemas/queues.ts'
import { announceGateways } from '../data/announce-gateways.ts'
import type { Database } from '../data/database.ts'
import { forgetOldConnections } from '../data/gateway-connections.ts'
import { HEARTBEAT_MS } from '../data/heartbeats.ts'
import {
  countOfflineGateways,
  countSilentGateways,
  longestSilenceOfAllMs,
  type MarkedGateway,
  markSilentGateways,
  type Verdict,
} from '../data/mark-silent-gateways.ts'
import { postgresEnvironment, readEnvironment, redisEnvironment } from '../runtime/environment.ts'
import { frame, logger, metrics, metricsOf } from '../runtime/frame.ts'
import { openPostgres } from '../runtime/postgres.ts'
import { openRedis } from '../runtime/redis.ts'
import { longestWaitMs } from '../runtime/longest-wait.ts'

const environment = readEnvironment({
  ...postgresEnvironment,
  ...redisEnvironment,
  STATUS_QUEUE_URL: v.pipe(v.string(), v.url()),
  FAN_OUT_QUEUE_URL: v.pipe(v.string(), v.url()),
})
const { db } = openPostgres<Database>(environment)
const redis = openRedis(environment)
const sqs = new SQSClient()

/** While gateways are in order one of them is heard in each interval; half of one more is what a lone one may be late. */
const LONGEST_SILENCE_OF_ALL_MS = 1.5 * HEARTBEAT_MS

/** A message that waits for longer than an interval may be the heartbeat that seems to be missing. */
const LONGEST_WAIT_MS = HEARTBEAT_MS

const STALE: Verdict = { connection: 'stale', reason: 'heartbeats_missed' }
const UNKNOWN: Verdict = { connection: 'unknown', reason: 'pipeline_behind' }

/**
 * Each minute: gateways that miss three heartbeats are stale, unless it is us who are late; then nothing can be said of
 * them. Two sweeps at once, or one again after a failure, do nothing twice.
 */
export const handler = frame(async (_event: unknown, { awsRequestId: traceId }) => {
  const now = Date.now()
  const silent = await countSilentGateways(db, now)
  const isBehind = silent > 0 && (await isPipelineBehind(now))
  const marked = silent > 0 ? await markSilentGateways(db, now, isBehind ? UNKNOWN : STALE) : []
  const news = marked.map((gateway) => {
    const { tenant, plant } = gateway
    return { tenant, plant, presence: gateway, events: () => [eventOf(gateway, now, traceId)] }
  })
  await announceGateways({ redis, sqs, fanOutQueueUrl: environment.FAN_OUT_QUEUE_URL }, news)

  metrics.addMetric('StatusPipelineBehind', 'Count', Number(isBehind))
  for (const { tenant, offline, unknown } of await countOfflineGateways(db)) {
    metricsOf(tenant).addMetric('GatewaysOffline', 'Count', offline)
    metricsOf(tenant).addMetric('GatewaysUnknown', 'Count', unknown)
  }
  const forgotten = await forgetOldConnections(db, now)
  logger.info('Presence swept', { silent, marked: marked.length, isBehind, forgotten })
  return { marked: marked.length, isBehind }
})

/** No gateway at all was heard for a while, or messages wait. The queue is looked at only while it is consumed: see longestWaitMs. */
async function isPipelineBehind(now: number): Promise<boolean> {
  if ((await longestSilenceOfAllMs(db, now)) > LONGEST_SILENCE_OF_ALL_MS) return true
  return (await longestWaitMs(sqs, environment.STATUS_QUEUE_URL)) > LONGEST_WAIT_MS
}

function eventOf(gateway: MarkedGateway, now: number, traceId: string): StatusEvent {
  const { tenant, province, plant, thingName, connection: state, reason } = gateway
  return { type: 'status', tenant, province, plant, thingName, state, reason, timestamp: now, receivedAt: now, traceId }
}
