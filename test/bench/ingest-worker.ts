/** One consumer of the ingest benches: the bundle in a thread of its own, as an instance of the function is. */
import { randomUUID } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda'
import { type BenchReading, type Step, readingsOf, sqsEvent } from './ingest-readings.ts'

const { bundle } = workerData as { bundle: string }
const { handler } = (await import(bundle)) as {
  handler: (event: SQSEvent, context: object) => Promise<SQSBatchResponse>
}
let events: SQSEvent[] = []

async function store(event: SQSEvent): Promise<void> {
  const answer = await handler(event, { functionName: 'ingest', awsRequestId: randomUUID() })
  const failed = answer.batchItemFailures.length
  if (failed > 0) throw new Error(`${failed} of ${event.Records.length} messages failed`)
}

/** `prepare` makes events (Lambda hands them over ready made), `run` stores them, `store` stores what it is given. */
export type Task = { prepare: Step[] } | { run: true } | { store: BenchReading[] }

parentPort!.on('message', (task: Task) => {
  void (async () => {
    if ('prepare' in task) events = task.prepare.map((step) => sqsEvent(readingsOf(step)))
    else if ('run' in task) for (const event of events.splice(0)) await store(event)
    else await store(sqsEvent(task.store))
    parentPort!.postMessage('done')
  })()
})
parentPort!.postMessage('done')
