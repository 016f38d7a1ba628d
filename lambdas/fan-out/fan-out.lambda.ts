import { ApiGatewayManagementApiClient } from '@aws-sdk/client-apigatewaymanagementapi'
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda'
import type { FanOutWorkItem } from '../../schemas/queues.ts'
import { forgetConnections, skipConnections } from '../data/live-cache.ts'
import { readEnvironment, redisEnvironment } from '../runtime/environment.ts'
import { frame, logger, metrics } from '../runtime/frame.ts'
import { liveFrames } from '../runtime/live-frames.ts'
import { openRedis } from '../runtime/redis.ts'
import { coalesce } from './coalesce.ts'
import { awaitFrame } from './frame-pace.ts'
import { postFrames } from './post-frames.ts'
import { takePlantChanges } from './take-plant-changes.ts'

const redis = openRedis(readEnvironment(redisEnvironment))
const api = new ApiGatewayManagementApiClient({
  maxAttempts: 2,
  requestHandler: { connectionTimeout: 1_000, requestTimeout: 2_000 },
})

/**
 * Live frames to the browsers that watch the plants of these work items. The queue keeps the items of a plant in order
 * and gives them to one instance at a time, so versions are posted ascending. Nothing is ever retried: stale live data
 * is worthless, and the next reading makes a new frame.
 */
export const handler = frame(async (event: SQSEvent): Promise<SQSBatchResponse> => {
  await Promise.all(coalesce(event.Records).map(fanOut))
  return { batchItemFailures: [] }
})

async function fanOut(item: FanOutWorkItem): Promise<void> {
  try {
    await awaitFrame(redis, item)
    const changes = await takePlantChanges(redis, item)
    if (changes === undefined) return
    const { connectionIds, traceIds, ...picture } = changes
    const { gone, slow } = await postFrames(api, connectionIds, liveFrames('delta', picture))
    logger.info('Frame posted', {
      ...{ tenant: item.tenant, plant: item.plant, version: picture.version, traceIds },
      ...{ connections: connectionIds.length - gone.length - slow.length, gone: gone.length, slow: slow.length },
    })
    if (gone.length > 0) await redis.use((client) => forgetConnections(client, item, gone))
    if (slow.length > 0) await redis.use((client) => skipConnections(client, item, slow))
  } catch (error) {
    metrics.addMetric('RealtimeUnavailable', 'Count', 1)
    logger.warn('The frames of a plant were dropped', { tenant: item.tenant, plant: item.plant, error: error as Error })
  }
}
