import { SendMessageBatchCommand, type SendMessageBatchRequestEntry, type SQSClient } from '@aws-sdk/client-sqs'
import { logger } from './frame.ts'

/** SQS takes at most 10 messages and 1 MB in one request; attributes count too. */
const MAX_ENTRIES = 10
const MAX_BYTES = 900_000
const ATTRIBUTE_BYTES = 4_000

export interface OutgoingMessage extends Omit<SendMessageBatchRequestEntry, 'Id'> {
  MessageBody: string
}

/** Sends all, in as few requests as SQS allows. Never throws: returns those that the queue has not confirmed. */
export async function sendMessages<Message extends { outgoing: OutgoingMessage }>(
  sqs: SQSClient,
  queueUrl: string,
  messages: Message[],
): Promise<Message[]> {
  const unsent: Message[] = []
  for (const group of requestsOf(messages)) {
    const Entries = group.map(({ outgoing }, index) => ({ Id: String(index), ...outgoing }))
    try {
      const { Failed = [] } = await sqs.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries }))
      const failed = new Set(Failed.map((failure) => Number(failure.Id)))
      unsent.push(...group.filter((_, index) => failed.has(index)))
      if (Failed.length > 0) logger.error('Messages were not taken by the queue', { queueUrl, Failed })
    } catch (error) {
      logger.error('Messages could not be sent', { queueUrl, error: error as Error })
      unsent.push(...group)
    }
  }
  return unsent
}

function* requestsOf<Message extends { outgoing: OutgoingMessage }>(messages: Message[]): Generator<Message[]> {
  let group: Message[] = []
  let bytes = 0
  for (const message of messages) {
    const size = Buffer.byteLength(message.outgoing.MessageBody) + ATTRIBUTE_BYTES
    if (group.length === MAX_ENTRIES || (group.length > 0 && bytes + size > MAX_BYTES)) {
      yield group
      group = []
      bytes = 0
    }
    group.push(message)
    bytes += size
  }
  if (group.length > 0) yield group
}
