import { SQSClient } from '@aws-sdk/client-sqs'
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda'
import type { Database } from '../data/database.ts'
import { knownPlaces } from '../data/places.ts'
import { sendDeadLetters } from '../runtime/dead-letters.ts'
import { postgresEnvironment, queueEnvironment, readEnvironment, redisEnvironment } from '../runtime/environment.ts'
import { frame, logger, metricsOf } from '../runtime/frame.ts'
import { openPostgres } from '../runtime/postgres.ts'
import { openRedis } from '../runtime/redis.ts'
import { type DeadLetter, judgeEach } from '../runtime/refusals.ts'
import { retryLater } from '../runtime/retry-later.ts'
import { announce } from './announce.ts'
import { readStatus } from './read-status.ts'
import { storeStatuses } from './store-statuses.ts'

const environment = readEnvironment({ ...postgresEnvironment, ...redisEnvironment, ...queueEnvironment })
const { db } = openPostgres<Database>(environment)
const redis = openRedis(environment)
const sqs = new SQSClient()
const places = knownPlaces(db)

/**
 * Heartbeats and wills into the table of gateways. Like ingest, a message is handled when its effect is stored, when it
 * has none, or when it is in the dead letter queue; every other one comes back.
 */
export const handler = frame(async (event: SQSEvent): Promise<SQSBatchResponse> => {
  const refused: DeadLetter[] = []

  const messages = judgeEach(
    event.Records.map((record) => ({ record })),
    refused,
    readStatus,
  )
  const { changes, unstored } = await storeStatuses({ db, places }, messages, refused)
  const applied = changes.flatMap(({ messages: ofGateway }) => ofGateway)
  if (applied.length > 0)
    logger.info('Statuses applied', {
      traces: Object.fromEntries(applied.map(({ traceId, tenant, thingName }) => [traceId, `${tenant}/${thingName}`])),
    })
  for (const [tenant, ofTenant] of Map.groupBy(applied, (message) => message.tenant))
    metricsOf(tenant).addMetric('StatusMessages', 'Count', ofTenant.length)
  await announce({ redis, sqs, fanOutQueueUrl: environment.FAN_OUT_QUEUE_URL }, changes)

  const unsent = await sendDeadLetters(sqs, environment.DEAD_LETTER_QUEUE_URL, refused)
  return retryLater(sqs, environment.QUEUE_URL, [...unstored, ...unsent])
})
