import type { SQSClient } from '@aws-sdk/client-sqs'
import * as v from 'valibot'
import { type QueueEnvelope, RuleErrorMessage } from '../../schemas/queues.ts'
import type { Quarantine } from '../data/database.ts'
import type { Redriven } from '../data/redrive.ts'
import { sendMessages } from '../runtime/send-messages.ts'

export type QueueUrls = Record<Quarantine['queue'], string>

/** Sends each to the queue that it is for. Returns the ids of those that are there. */
export async function backToQueue(sqs: SQSClient, urls: QueueUrls, letters: Redriven[]): Promise<string[]> {
  const messages = letters.map((letter) => ({ id: letter.id, queue: letter.queue, outgoing: outgoing(letter) }))
  const unsent = new Set<unknown>()
  for (const [queue, ofQueue] of Map.groupBy(messages, (message) => message.queue)) {
    for (const message of await sendMessages(sqs, urls[queue], ofQueue)) unsent.add(message)
  }
  return messages.filter((message) => !unsent.has(message)).map((message) => message.id)
}

/** The untouched body, except where the rules engine had wrapped what was published: its rule's envelope is made here. */
function outgoing(letter: Redriven) {
  const body = letter.body.toString('utf8')
  return { MessageBody: letter.code === 'delivery_failed' ? envelope(body, letter.received_at!) : body }
}

function envelope(body: string, receivedAt: number): string {
  const { base64OriginalPayload: payload, ...error } = v.parse(RuleErrorMessage, JSON.parse(body))
  const { topic, clientId, cloudwatchTraceId: traceId } = error
  return JSON.stringify({ payload, topic, clientId, receivedAt, traceId } satisfies QueueEnvelope)
}
