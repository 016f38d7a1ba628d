import type { SQSClient } from '@aws-sdk/client-sqs'
import type { Kysely } from 'kysely'
import type { AlarmWorkItem } from '../../schemas/queues.ts'
import { logger, metrics } from '../runtime/frame.ts'
import { sendMessages } from '../runtime/send-messages.ts'
import { changedAlarms } from './alarms.ts'
import { announceAlarms } from './announce-alarms.ts'
import type { Realtime } from './announce-gateways.ts'
import type { Database } from './database.ts'
import type { WrittenAlarms } from './write-alarm-changes.ts'

export interface AlarmRealtime extends Realtime {
  db: Kysely<Database>
  alarmQueueUrl: string
}

/**
 * After the commit: alarms to the pages, and the outbox to the queue of deliveries. Never fails: what is not told here is told by the
 * sweep, a minute later at most.
 */
export async function tellAlarms(realtime: AlarmRealtime, { alarmIds, outboxIds }: WrittenAlarms): Promise<void> {
  try {
    if (alarmIds.length > 0) await announceAlarms(realtime, await changedAlarms(realtime.db, alarmIds))
  } catch (error) {
    metrics.addMetric('RealtimeUnavailable', 'Count', 1)
    logger.warn('Alarms are stored, but not announced', error as Error)
  }
  await requestDeliveries(realtime.sqs, realtime.alarmQueueUrl, outboxItems(outboxIds))
}

const ROWS_PER_ITEM = 100

export const outboxItems = (outboxIds: string[]): AlarmWorkItem[] =>
  Array.from({ length: Math.ceil(outboxIds.length / ROWS_PER_ITEM) }, (_, index) => ({
    outboxIds: outboxIds.slice(index * ROWS_PER_ITEM, (index + 1) * ROWS_PER_ITEM),
  }))

/** Best effort, as above. */
export async function requestDeliveries(sqs: SQSClient, queueUrl: string, items: AlarmWorkItem[]): Promise<void> {
  await sendMessages(
    sqs,
    queueUrl,
    items.map((item) => ({ outgoing: { MessageBody: JSON.stringify(item) } })),
  )
}
