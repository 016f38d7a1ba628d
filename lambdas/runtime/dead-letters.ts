import { SendMessageBatchCommand, type MessageAttributeValue, type SQSClient } from '@aws-sdk/client-sqs'
import type { SQSRecord } from 'aws-lambda'
import * as v from 'valibot'
import { QueueEnvelope } from '../../schemas/queues.ts'
import { logger, metrics } from './frame.ts'
import type { DeadLetter } from './refusals.ts'

/** SQS takes at most 10 messages and 1 MB in one request; attributes count too. */
const MAX_ENTRIES = 10
const MAX_BYTES = 900_000

/**
 * Sends refused messages to the dead letter queue: body byte for byte, the reason in attributes. Returns the records
 * that could not be sent: they are not handled and must come back.
 */
export async function sendDeadLetters(sqs: SQSClient, queueUrl: string, letters: DeadLetter[]): Promise<SQSRecord[]> {
  const unsent: SQSRecord[] = []
  for (const group of groupsOf(letters)) {
    const Entries = group.map(({ record, refusal }, index) => ({
      Id: String(index),
      MessageBody: bodyOf(record),
      MessageAttributes: attributes({ errorCode: refusal.code, errorMessage: refusal.message, ...origin(record.body) }),
    }))
    try {
      const { Failed = [] } = await sqs.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries }))
      const failed = new Set(Failed.map((failure) => Number(failure.Id)))
      unsent.push(...group.filter((_, index) => failed.has(index)).map((letter) => letter.record))
      count(group.filter((_, index) => !failed.has(index)))
      if (Failed.length > 0) logger.error('Dead letters were not taken by the queue', { Failed })
    } catch (error) {
      logger.error('Dead letters could not be sent', error as Error)
      unsent.push(...group.map((letter) => letter.record))
    }
  }
  return unsent
}

/** SQS takes no empty body: a record that has none is buried as one blank. */
const bodyOf = ({ body }: { body: string | undefined }) => body || ' '

function count(sent: DeadLetter[]): void {
  for (const { record, refusal } of sent) {
    const { code, message } = refusal
    logger.warn('Message refused', { code, reason: message, messageId: record.messageId, ...origin(record.body) })
    metrics.singleMetric().addDimension('errorCode', code).addMetric('DeadLetters', 'Count', 1)
  }
}

function* groupsOf(letters: DeadLetter[]): Generator<DeadLetter[]> {
  let group: DeadLetter[] = []
  let bytes = 0
  for (const letter of letters) {
    const size = Buffer.byteLength(bodyOf(letter.record)) + 4_000
    if (group.length === MAX_ENTRIES || (group.length > 0 && bytes + size > MAX_BYTES)) {
      yield group
      group = []
      bytes = 0
    }
    group.push(letter)
    bytes += size
  }
  if (group.length > 0) yield group
}

const Origin = v.partial(v.pick(QueueEnvelope, ['topic', 'receivedAt']))

/** As much as the body tells; the tenant is the one that the topic names, known or not. */
function origin(body: string): { topic?: string; tenant?: string; receivedAt?: string } {
  try {
    const { topic, receivedAt } = v.parse(Origin, JSON.parse(body))
    return {
      ...(topic !== undefined && { topic }),
      ...(topic?.split('/')[1] && { tenant: topic.split('/')[1]! }),
      ...(receivedAt !== undefined && { receivedAt: String(receivedAt) }),
    }
  } catch {
    return {}
  }
}

const MAX_ATTRIBUTE_LENGTH = 1_000

/** SQS refuses empty attributes and characters that XML does not know; what a gateway sent may hold both. */
function attributes(texts: Record<string, string>): Record<string, MessageAttributeValue> {
  const usable = Object.entries(texts).map(
    ([name, text]) =>
      [
        name,
        text
          .toWellFormed()
          .replaceAll(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/g, '\uFFFD')
          .slice(0, MAX_ATTRIBUTE_LENGTH)
          .toWellFormed(),
      ] as const,
  )
  return Object.fromEntries(
    usable.filter(([, text]) => text !== '').map(([name, StringValue]) => [name, { DataType: 'String', StringValue }]),
  )
}
