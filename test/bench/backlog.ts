/** How old a live message gets while a backlog is drained; and what memory the largest batch takes that Lambda hands over. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { type Figure, percentile } from './figure.ts'
import { type BenchReading, MACHINES, readingsOf } from './ingest-readings.ts'
import { type Consumer, startIngestSystem } from './ingest-system.ts'

const BACKLOG = 200_000
const LIVE_PER_SECOND = 100
const BATCH = 1_000
const CONSUMERS = 3
const LAMBDA_MEMORY_MB = 1_024

export async function benchBacklog(): Promise<Figure[]> {
  const system = await startIngestSystem()
  try {
    const consumers = await system.consumers(CONSUMERS)
    const ages = await drain(consumers)
    const memory = await largestBatchMb(system.bundle, system.environment)
    return [
      {
        what: `age of a live message when it is stored, ${LIVE_PER_SECOND}/s behind a backlog of ${BACKLOG.toLocaleString('en')} in one queue, ${CONSUMERS} consumers`,
        measured: `p95 ${(percentile(ages, 95) / 1000).toFixed(1)} s, median ${(percentile(ages, 50) / 1000).toFixed(1)} s, of ${ages.length} live messages`,
        toReach: 'p95 at most 5 s',
        reached: percentile(ages, 95) <= 5_000,
      },
      {
        what: 'memory of the ingest bundle with a batch of 6 MB',
        measured: `${memory.toFixed(0)} MB RSS at most, of ${LAMBDA_MEMORY_MB} configured`,
        toReach: 'under half of its configured memory',
        reached: memory < LAMBDA_MEMORY_MB / 2,
      },
    ]
  } finally {
    await system.stop()
  }
}

/** First come, first served: what arrives live waits behind all that is there, as in the telemetry queue. */
async function drain(consumers: Consumer[]): Promise<number[]> {
  const since = Date.now() - 24 * 3_600_000
  const firstSeq = Date.now()
  const step = (first: number, size: number) => ({ round: 0, first, size, firstSeq, seqStep: 1, since })
  await Promise.all(consumers.map((consumer, n) => consumer.do({ store: readingsOf(step(n * MACHINES, MACHINES)) })))

  const live: { reading: BenchReading; at: number }[] = []
  const ages: number[] = []
  const start = CONSUMERS * MACHINES
  await Promise.all(
    consumers.map((consumer, index) => {
      const mine = []
      for (let n = index; n < BACKLOG / BATCH; n += CONSUMERS) mine.push(step(start + n * BATCH, BATCH))
      return consumer.do({ prepare: mine })
    }),
  )
  let count = 0
  const arrive = () => {
    const reading = readingsOf({ ...step(start + BACKLOG + count++, 1), since: Date.now() - 3_600_000 })[0]!
    live.push({ reading: { ...reading, timestamp: Date.now() }, at: Date.now() })
  }
  const started = Date.now()
  const arriving = setInterval(() => {
    while (count < ((Date.now() - started) / 1000) * LIVE_PER_SECOND) arrive()
  }, 5)
  let draining = consumers.length
  await Promise.all(
    consumers.map(async (consumer) => {
      await consumer.do({ run: true })
      draining -= 1
      // Until all that arrived during the drain is stored.
      while (draining > 0 || live.length > 0) {
        const batch = live.splice(0, BATCH)
        if (batch.length > 0) await consumer.do({ store: batch.map(({ reading }) => reading) })
        for (const { at } of batch) ages.push(Date.now() - at)
        if (draining === 0) clearInterval(arriving)
        if (batch.length === 0) await wait(5)
      }
    }),
  )
  return ages
}

/** Highest resident memory of a process of its own that stores 6 MB of messages, ten times over. */
async function largestBatchMb(bundle: string, environment: NodeJS.ProcessEnv): Promise<number> {
  const script = new URL('largest-batch.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [script, bundle], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await once(child, 'close')
  if (child.exitCode !== 0) throw new Error('the largest batch could not be stored')
  return Number(text) / 1024
}
