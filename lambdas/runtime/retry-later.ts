import { ChangeMessageVisibilityBatchCommand, type SQSClient } from '@aws-sdk/client-sqs'
import type { SQSBatchResponse, SQSRecord } from 'aws-lambda'
import { logger, metrics } from './frame.ts'

const FIRST_DELAY_SEC = 2
const MAX_DELAY_SEC = 900
/** SQS takes at most 10 changes in one request. */
const MAX_ENTRIES = 10

/** 2, 4, 8 … 900 s. Never 0: the message would come back at once, and in a storm. */
export function retryDelaySec(receiveCount: number): number {
  return Math.min(MAX_DELAY_SEC, FIRST_DELAY_SEC * 2 ** Math.min(receiveCount - 1, 20))
}

/**
 * Answer to Lambda's event source: these messages were not handled and come back, each later than the time before, so
 * that a database outage of hours neither hammers it nor uses up the receives before the dead letter queue.
 * When the delay cannot be set they come back after the queue's visibility time-out.
 */
export async function retryLater(sqs: SQSClient, queueUrl: string, records: SQSRecord[]): Promise<SQSBatchResponse> {
  if (records.length > 0) metrics.addMetric('RetriedMessages', 'Count', records.length)
  for (let start = 0; start < records.length; start += MAX_ENTRIES) {
    const Entries = records.slice(start, start + MAX_ENTRIES).map((record, index) => ({
      Id: String(index),
      ReceiptHandle: record.receiptHandle,
      VisibilityTimeout: retryDelaySec(Number(record.attributes.ApproximateReceiveCount)),
    }))
    try {
      await sqs.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl: queueUrl, Entries }))
    } catch (error) {
      logger.warn('The delay of messages to retry could not be set', error as Error)
      break
    }
  }
  return { batchItemFailures: records.map((record) => ({ itemIdentifier: record.messageId })) }
}
