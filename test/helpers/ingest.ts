import type { SQSBatchResponse, SQSEvent } from 'aws-lambda'
import { inject } from 'vitest'
import { lambdaContext } from './lambda-context.ts'
import { createDatabase } from './postgres.ts'
import { startQueues } from './sqs.ts'

type Handler = (event: SQSEvent) => Promise<SQSBatchResponse>

/**
 * A consumer (ingest or status) in this process, with a database, queues and, unless another is given, the shared Redis.
 * `between`: starts something that the consumer finds in the place of SQS, before SQS itself.
 * Its module reads the environment when imported, so one test file has one consumer.
 */
export async function startConsumer(
  entry: 'ingest' | 'status',
  options: { redisUrl?: string; between?: (sqsUrl: string) => Promise<string> } = {},
) {
  const { redisUrl = inject('redisUrl'), between = (itself: string) => Promise.resolve(itself) } = options
  const database = await createDatabase()
  const queues = await startQueues('telemetry', 'dead-letters', 'fan-out.fifo', 'alarms')
  const sqsUrl = await between(queues.environment.AWS_ENDPOINT_URL_SQS)
  const url = (name: string) => new URL(new URL(queues.url(name)).pathname, sqsUrl).href
  Object.assign(process.env, database.environment('iot_ingest'), queues.environment, {
    AWS_ENDPOINT_URL_SQS: sqsUrl,
    REDIS_URL: redisUrl,
    QUEUE_URL: url('telemetry'),
    DEAD_LETTER_QUEUE_URL: url('dead-letters'),
    FAN_OUT_QUEUE_URL: url('fan-out.fifo'),
    ALARM_QUEUE_URL: url('alarms'),
    POWERTOOLS_SERVICE_NAME: entry,
    POWERTOOLS_METRICS_NAMESPACE: 'IotTelemetry',
  })
  const { handler } =
    entry === 'ingest'
      ? await import('../../lambdas/ingest/ingest.lambda.ts')
      : await import('../../lambdas/status/status.lambda.ts')
  const handle: Handler = (event) =>
    (handler as (event: SQSEvent, context: typeof lambdaContext) => Promise<SQSBatchResponse>)(event, lambdaContext)
  return {
    database,
    queues,
    handle,
    async stop() {
      await database.close()
      await queues.stop()
    },
  }
}
