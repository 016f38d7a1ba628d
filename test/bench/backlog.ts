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
/** Of the late readings, and of the live ones in batches of the profile `live`. */
const LATE_CONSUMERS = 3
const LIVE_CONSUMERS = 2
const LIVE_BATCH = 10
const LAMBDA_MEMORY_MB = 1_024

export async function benchBacklog(): Promise<Figure[]> {
  const system = await startIngestSystem()
  try {
    const ages = await drain(await system.consumers(LATE_CONSUMERS), await system.consumers(LIVE_CONSUMERS))
    const memory = await largestBatchMb(system.bundle, system.environment)
    return [
      {
        what: `age of a live message when it is stored, ${LIVE_PER_SECOND}/s while a backlog of ${BACKLOG.toLocaleString('en')} is drained from its own queue, ${LATE_CONSUMERS} + ${LIVE_CONSUMERS} consumers`,
        measured: `p95 ${(percentile(ages, 95) / 1000).toFixed(2)} s, median ${(percentile(ages, 50) / 1000).toFixed(2)} s, of ${ages.length} live messages`,
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

/** Late readings and live ones come in queues of their own, as the two rules send them, into one database. */
async function drain(late: Consumer[], live: Consumer[]): Promise<number[]> {
  const since = Date.now() - 24 * 3_600_000
  const firstSeq = Date.now()
  const step = (first: number, size: number) => ({ round: 0, first, size, firstSeq, seqStep: 1, since })
  for (const [n, consumer] of [...late, ...live].entries()) {
    await consumer.do({ store: readingsOf(step(n * MACHINES, MACHINES)) })
  }
  const start = (late.length + live.length) * MACHINES
  await Promise.all(
    late.map((consumer, index) => {
      const mine = []
      for (let n = index; n < BACKLOG / BATCH; n += late.length) mine.push(step(start + n * BATCH, BATCH))
      return consumer.do({ prepare: mine })
    }),
  )
  const waiting: { reading: BenchReading; at: number }[] = []
  const ages: number[] = []
  let count = 0
  const started = Date.now()
  const arriving = setInterval(() => {
    while (count < ((Date.now() - started) / 1000) * LIVE_PER_SECOND) {
      const [reading] = readingsOf(step(start + BACKLOG + count++, 1))
      waiting.push({ reading: { ...reading!, timestamp: Date.now() }, at: Date.now() })
    }
  }, 5)
  let isDraining = true
  const drained = Promise.all(late.map((consumer) => consumer.do({ run: true }))).then(() => {
    isDraining = false
    clearInterval(arriving)
  })
  await Promise.all(
    live.map(async (consumer) => {
      while (isDraining || waiting.length > 0) {
        const batch = waiting.splice(0, LIVE_BATCH)
        if (batch.length > 0) await consumer.do({ store: batch.map(({ reading }) => reading) })
        else await wait(5)
        for (const { at } of batch) ages.push(Date.now() - at)
      }
    }),
  )
  await drained
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
