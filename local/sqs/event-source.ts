/**
 * An event source mapping: takes messages from a queue in batches and invokes the function with them, as the pollers of
 * AWS Lambda do. What the function does not report as failed is deleted; the rest becomes visible again when its
 * visibility timeout ends, or when the function has set another.
 */
import * as v from 'valibot'
import { REGION } from '../aws-identity.ts'
import type { LambdaFunction } from '../lambda/function.ts'
import type { ReceivedMessage } from '../../node_modules/fauxqs/dist/sqs/sqsTypes.js'
import type { Queue, QueueServer } from './queue-server.ts'

export interface EventSourceSettings {
  batchSize: number
  windowSec: number
  reportsItemFailures: boolean
  maxConcurrency: number
}

const POLL_SEC = 20
/** An invocation takes at most 6 MB; one more receive can add ten messages of 175 KB (128 KB in base64). */
const ENOUGH_BYTES = 4_000_000

const BatchResponse = v.nullish(v.object({ batchItemFailures: v.array(v.object({ itemIdentifier: v.string() })) }))

export class EventSource {
  readonly #running = new Set<Promise<void>>()
  #stopped = false
  #loop: Promise<void> | undefined
  readonly #queue: Queue
  readonly #server: QueueServer
  readonly #target: LambdaFunction
  readonly #settings: EventSourceSettings

  constructor(queue: Queue, server: QueueServer, target: LambdaFunction, settings: EventSourceSettings) {
    this.#queue = queue
    this.#server = server
    this.#target = target
    this.#settings = settings
  }

  start(): void {
    this.#loop = this.#poll()
  }

  /** Takes no more, and waits for what the function is at. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#queue.cancelWaiters()
    await this.#loop
    await Promise.all(this.#running)
  }

  async #poll(): Promise<void> {
    while (!this.#stopped) {
      if (this.#running.size >= this.#settings.maxConcurrency) await Promise.race(this.#running)
      const batch = await this.#collect()
      if (batch.length === 0) continue
      const invocation = this.#deliver(batch).finally(() => this.#running.delete(invocation))
      this.#running.add(invocation)
    }
  }

  /** Up to a whole batch, waiting for more only within the batching window. */
  async #collect(): Promise<ReceivedMessage[]> {
    const { batchSize, windowSec } = this.#settings
    const batch = this.#receive(batchSize)
    if (batch.length === 0) {
      await this.#queue.waitForMessages(POLL_SEC)
      batch.push(...this.#receive(batchSize))
    }
    const deadline = Date.now() + windowSec * 1000
    while (batch.length > 0 && batch.length < batchSize && bytesOf(batch) < ENOUGH_BYTES && !this.#stopped) {
      const more = this.#receive(batchSize - batch.length)
      batch.push(...more)
      const leftMs = deadline - Date.now()
      if (more.length > 0) continue
      if (leftMs <= 0) break
      await this.#queue.waitForMessages(leftMs / 1000)
    }
    return batch
  }

  #receive(count: number): ReceivedMessage[] {
    if (this.#stopped) return []
    return this.#queue.dequeue(Math.min(count, 10), undefined, (arn) => this.#server.deadLetterQueue(arn))
  }

  async #deliver(batch: ReceivedMessage[]): Promise<void> {
    const { functionError, payload } = await this.#target.invoke({
      Records: batch.map((message) => this.#record(message)),
    })
    if (functionError !== undefined) return // all become visible again
    const failed = this.#settings.reportsItemFailures ? failedIds(payload, batch) : new Set<string>()
    for (const message of batch) if (!failed.has(message.MessageId)) this.#queue.deleteMessage(message.ReceiptHandle)
  }

  #record(message: ReceivedMessage) {
    const held = this.#queue.inflightMessages.get(message.ReceiptHandle)?.message
    const attributes: Record<string, string> = {
      ApproximateReceiveCount: String(held?.approximateReceiveCount ?? 1),
      SentTimestamp: String(held?.sentTimestamp ?? 0),
      SenderId: 'local',
      ApproximateFirstReceiveTimestamp: String(held?.approximateFirstReceiveTimestamp ?? 0),
    }
    if (held?.messageGroupId !== undefined) attributes.MessageGroupId = held.messageGroupId
    if (held?.messageDeduplicationId !== undefined) attributes.MessageDeduplicationId = held.messageDeduplicationId
    if (held?.sequenceNumber !== undefined) attributes.SequenceNumber = held.sequenceNumber
    return {
      messageId: message.MessageId,
      receiptHandle: message.ReceiptHandle,
      body: message.Body,
      attributes,
      messageAttributes: Object.fromEntries(
        Object.entries(message.MessageAttributes ?? {}).map(([name, { DataType, StringValue, BinaryValue }]) => [
          name,
          {
            stringValue: StringValue,
            binaryValue: BinaryValue,
            stringListValues: [],
            binaryListValues: [],
            dataType: DataType,
          },
        ]),
      ),
      md5OfBody: message.MD5OfBody,
      eventSource: 'aws:sqs',
      eventSourceARN: this.#queue.arn,
      awsRegion: REGION,
    }
  }
}

/** An answer of another form, or an id that is empty or not of this batch, fails the whole batch (AWS Lambda, partial batch responses). */
function failedIds(payload: unknown, batch: ReceivedMessage[]): Set<string> {
  const all = new Set(batch.map((message) => message.MessageId))
  const answer = v.safeParse(BatchResponse, payload)
  if (!answer.success) return all
  const failed = new Set(answer.output?.batchItemFailures.map((item) => item.itemIdentifier))
  return failed.isSubsetOf(all) ? failed : all
}

const bytesOf = (batch: ReceivedMessage[]) => batch.reduce((sum, message) => sum + message.Body.length, 0)
