import type { MessageAttributeValue, SQSClient } from '@aws-sdk/client-sqs'
import type { SQSRecord } from 'aws-lambda'
import * as v from 'valibot'
import { QueueEnvelope } from '../../schemas/queues.ts'
import { logger, metricsOfCode } from './frame.ts'
import { printableText } from './printable-text.ts'
import type { DeadLetter } from './refusals.ts'
import { sendMessages } from './send-messages.ts'

/**
 * Sends refused messages to the dead letter queue: body byte for byte, the reason in attributes, and the id of the message
 * refused, because it comes back and is refused again when its deletion fails. Returns the records that could not be
 * sent: they are not handled and must come back.
 */
export async function sendDeadLetters(sqs: SQSClient, queueUrl: string, letters: DeadLetter[]): Promise<SQSRecord[]> {
  const messages = letters.map(({ record, refusal: { code, message } }) => {
    const { traceId, ...from } = origin(record.body)
    const { messageId } = record
    return {
      ...{ record, traceId, from, code, message },
      outgoing: {
        MessageBody: bodyOf(record),
        MessageAttributes: attributes({ errorCode: code, errorMessage: message, messageId, ...from }),
      },
    }
  })
  const unsent = new Set(await sendMessages(sqs, queueUrl, messages))
  for (const sent of messages.filter((message) => !unsent.has(message))) {
    const { record, traceId, from, code, message } = sent
    logger.warn('Message refused', { code, reason: message, messageId: record.messageId, traceId, ...from })
    metricsOfCode(code).addMetric('DeadLetters', 'Count', 1)
  }
  return [...unsent].map((message) => message.record)
}

/** SQS takes no empty body: a record that has none is buried as one blank. */
const bodyOf = ({ body }: { body: string | undefined }) => body || ' '

const Origin = v.partial(v.pick(QueueEnvelope, ['topic', 'receivedAt', 'traceId']))

/** As much as the body tells; the tenant is the one that the topic names, known or not. */
function origin(body: string): { topic?: string; tenant?: string; receivedAt?: string; traceId?: string } {
  try {
    const { topic, receivedAt, traceId } = v.parse(Origin, JSON.parse(body))
    return {
      ...(topic !== undefined && { topic }),
      ...(topic?.split('/')[1] && { tenant: topic.split('/')[1]! }),
      ...(receivedAt !== undefined && { receivedAt: String(receivedAt) }),
      ...(traceId && { traceId }),
    }
  } catch {
    return {}
  }
}

const MAX_ATTRIBUTE_LENGTH = 1_000

/** SQS refuses empty attributes. */
function attributes(texts: Record<string, string>): Record<string, MessageAttributeValue> {
  const usable = Object.entries(texts).map(
    ([name, text]) => [name, printableText(text).slice(0, MAX_ATTRIBUTE_LENGTH).toWellFormed()] as const,
  )
  return Object.fromEntries(
    usable.filter(([, text]) => text !== '').map(([name, StringValue]) => [name, { DataType: 'String', StringValue }]),
  )
}
