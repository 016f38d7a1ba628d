/** Stores batches that fill Lambda's payload of 6 MB, and prints its highest resident memory in KB. */
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda'
import { MACHINES, readingsOf, sqsEvent } from './ingest-readings.ts'

const PAYLOAD_BYTES = 6 * 2 ** 20
const { handler } = (await import(process.argv[2]!)) as {
  handler: (event: SQSEvent, context: object) => Promise<SQSBatchResponse>
}
const since = Date.now() - 3_600_000
const firstSeq = Date.now() + 2 ** 41
let first = 0
for (let batch = 0; batch < 10; batch += 1) {
  const size = Math.floor(PAYLOAD_BYTES / (JSON.stringify(sqsEvent(readingsOf(step(first, 100)))).length / 100))
  const { batchItemFailures } = await handler(sqsEvent(readingsOf(step(first, size))), { awsRequestId: String(batch) })
  if (batchItemFailures.length > 0) throw new Error(`${batchItemFailures.length} of ${size} messages failed`)
  first += Math.ceil(size / MACHINES) * MACHINES
}
process.stdout.write(String(process.resourceUsage().maxRSS))
process.exit()

function step(from: number, size: number) {
  return { round: 0, first: from, size, firstSeq, seqStep: 1, since }
}
