import type { SQSEvent } from 'aws-lambda'
import { type FunctionSettings, type InvokeResult, LambdaFunction } from '../../local/lambda/function.ts'
import type { Queue } from '../../local/sqs/queue-server.ts'

/** A function as npm start runs it, behind an event source that may not hear its answers. */
export class Consumers extends LambdaFunction {
  readonly queue: Queue
  /** Invocations at work. */
  running = 0
  readonly counts = { batches: 0, partlyFailed: 0, died: 0, answersLost: 0 }
  /** Receipt handles of batches whose invocation has ended, one way or another. */
  readonly ended = new Set<string>()
  #answersToLose = 0

  constructor(queue: Queue, settings: FunctionSettings, onLine: (line: string) => void) {
    super(settings, onLine)
    this.queue = queue
  }

  /** The next batch is handled, and the event source does not hear of it: all of it comes back. */
  loseAnswer(): void {
    this.#answersToLose += 1
  }

  /** Receipt handles of the messages that a consumer is at. */
  held(): string[] {
    return [...this.queue.inflightMessages.keys()].filter((handle) => !this.ended.has(handle))
  }

  /** Messages in the queue, those at work and those that come back later included. */
  left(): number {
    return this.queue.messages.length + this.queue.inflightMessages.size
  }

  /**
   * Makes visible what a consumer has given back, or has taken into its end: minutes of back-off would prove nothing here.
   */
  hurry(): void {
    for (const handle of [...this.queue.inflightMessages.keys()])
      if (this.ended.has(handle)) this.queue.changeVisibility(handle, 0)
  }

  override async invoke(event: SQSEvent): Promise<InvokeResult> {
    this.running += 1
    this.counts.batches += 1
    const result = await super.invoke(event).finally(() => (this.running -= 1))
    for (const { receiptHandle } of event.Records) this.ended.add(receiptHandle)
    if (result.functionError) {
      this.counts.died += 1
      return result
    }
    const { batchItemFailures } = result.payload as { batchItemFailures: unknown[] }
    if (batchItemFailures.length > 0) this.counts.partlyFailed += 1
    if (this.#answersToLose === 0) return result
    this.#answersToLose -= 1
    this.counts.answersLost += 1
    return { functionError: 'Unhandled', payload: { errorType: 'Chaos.AnswerLost' } }
  }
}
