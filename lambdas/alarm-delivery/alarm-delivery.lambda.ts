import { SESv2Client } from '@aws-sdk/client-sesv2'
import { SQSClient } from '@aws-sdk/client-sqs'
import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import * as v from 'valibot'
import { AlarmWorkItem } from '../../schemas/queues.ts'
import type { Database } from '../data/database.ts'
import { expandOutbox } from '../data/expand-outbox.ts'
import { requestDeliveries } from '../data/tell-alarms.ts'
import { alarmEnvironment, postgresEnvironment, readEnvironment } from '../runtime/environment.ts'
import { frame, logger, metrics } from '../runtime/frame.ts'
import { openPostgres } from '../runtime/postgres.ts'
import { retryLater } from '../runtime/retry-later.ts'
import { sealingKey } from '../runtime/seal-secret.ts'
import { deliver } from './deliver.ts'
import { isQuiet } from './quiet-hours.ts'
import { publicly } from './webhook.ts'

const environment = readEnvironment({
  ...postgresEnvironment,
  ...alarmEnvironment,
  MAIL_FROM: v.string(),
  PAGE_URL: v.union([v.literal(''), v.pipe(v.string(), v.url())]),
  WEBHOOK_KEY_SECRET_ARN: v.string(),
})
const { db } = openPostgres<Database>(environment)
const sqs = new SQSClient()
const channels = {
  db,
  ses: new SESv2Client({ maxAttempts: 2 }),
  mailFrom: environment.MAIL_FROM,
  pageUrl: environment.PAGE_URL,
  webhookKey: sealingKey(environment.WEBHOOK_KEY_SECRET_ARN),
  reach: publicly(),
}

/**
 * Tells people and webhooks of alarms. A row of the outbox becomes a message for each receiver, so that one who does not answer holds
 * up nobody; what fails comes back, each time later, until the queue gives it up.
 */
export const handler = frame(async (event: SQSEvent): Promise<SQSBatchResponse> => {
  const outcomes = await Promise.all(event.Records.map(async (record) => ({ record, isDone: await isHandled(record) })))
  const failed = outcomes.filter(({ isDone }) => !isDone).map(({ record }) => record)
  return retryLater(sqs, environment.ALARM_QUEUE_URL, failed)
})

async function isHandled(record: SQSRecord): Promise<boolean> {
  try {
    const item = v.parse(AlarmWorkItem, JSON.parse(record.body))
    if ('target' in item) {
      await deliver(channels, item)
      metrics.addMetric('AlarmsDelivered', 'Count', 1)
      return true
    }
    const now = Date.now()
    const { due, withheld } = await expandOutbox(db, item.outboxIds, ({ quietHours, severity }) =>
      isQuiet(quietHours, severity, now),
    )
    if (withheld > 0) metrics.addMetric('AlarmsWithheld', 'Count', withheld)
    await requestDeliveries(
      sqs,
      environment.ALARM_QUEUE_URL,
      due.map(({ outboxId, target }) => ({ outboxId, target })),
    )
    return true
  } catch (error) {
    metrics.addMetric('AlarmDeliveryFailed', 'Count', 1)
    logger.warn('An alarm could not be told; it comes back', { body: record.body, error: error as Error })
    return false
  }
}
