import type { SQSEvent } from 'aws-lambda'
import type { Worker } from 'node:worker_threads'
import { type FunctionSettings, type InvokeResult, LambdaFunction } from '../../local/lambda/function.ts'

/** The ingest function as npm start runs it, with its threads in reach, and an event source that may not hear its answers. */
export class Consumers extends LambdaFunction {
  /** Invocations at work. */
  running = 0
  readonly counts = { batches: 0, partlyFailed: 0, died: 0, answersLost: 0 }
  /** Receipt handles of batches whose invocation has ended, one way or another. */
  readonly ended = new Set<string>()
  #answersToLose = 0
  readonly #threads = new Set<Worker>()
  readonly #onWorker = (worker: Worker) => {
    this.#threads.add(worker)
    worker.once('exit', () => this.#threads.delete(worker))
  }

  constructor(settings: FunctionSettings, onLine: (line: string) => void) {
    super(settings, onLine)
    process.on('worker', this.#onWorker)
  }

  /** The next batch is handled, and the event source does not hear of it: all of it comes back. */
  loseAnswer(): void {
    this.#answersToLose += 1
  }

  /** Ends a thread where it stands. */
  async endOne(pick: (threads: Worker[]) => Worker): Promise<void> {
    if (this.#threads.size > 0) await pick([...this.#threads]).terminate()
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

  override async stop(): Promise<void> {
    process.off('worker', this.#onWorker)
    await super.stop()
  }
}
