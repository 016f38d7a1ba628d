/**
 * `npm run soak -- --minutes 30`: the bundled agent for half an hour with a line that is cut, a PLC that restarts and a
 * broker that goes away; prints memory and descriptors at start and end. Ends with exit code 1 when a reading is missing,
 * or when memory or descriptors have grown.
 */
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { TelemetryV1 } from '../../schemas/telemetry.ts'
import { prepareAgent } from '../helpers/agent-under-test.ts'
import { usageOf } from './process-usage.ts'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '30' } } })
const MINUTE_MS = 60_000
/** Before the first figure: buffers and caches have their size by then. */
const WARM_UP_MS = 30_000
/** What the same state may differ by. */
const TOLERANCE = { rssMb: 8, descriptors: 3 }

const MACHINES = Array.from(
  { length: 10 },
  (_, n) =>
    `  - { slug: m-${n}, device: plc-1, intervalMs: 500, tags: { count: { address: "holding:1" }, other: { address: "holding:${10 + n}" } } }`,
).join('\n')

process.exit((await soak(Number(values.minutes))) ? 0 : 1)

async function soak(minutes: number): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'soak-'))
  const agent = await prepareAgent(folder, MACHINES)
  const child = agent.start()
  let counter = 0
  const counting = setInterval(() => agent.plc.holding.set(1, (counter += 1) % 65_536), 50)
  const look = () => ({
    rssMb: usageOf([child.pid!]).rssMb,
    descriptors: readdirSync(`/proc/${child.pid!}/fd`).length,
  })
  try {
    await sleep(WARM_UP_MS)
    const start = look()
    console.log(`start: ${start.rssMb.toFixed(1)} MB, ${start.descriptors} descriptors`)
    const end = performance.now() + minutes * MINUTE_MS
    for (let round = 1; performance.now() < end; round += 1) {
      await sleep(MINUTE_MS / 4)
      agent.line.cut()
      await sleep(MINUTE_MS / 6)
      agent.line.mend()
      agent.plc.silent = round % 2 === 0
      await sleep(MINUTE_MS / 6)
      agent.plc.silent = false
      agent.plc.cut()
      agent.broker.acknowledges = false
      await sleep(MINUTE_MS / 12)
      agent.broker.acknowledges = true
      const { rssMb, descriptors } = look()
      console.log(`round ${round}: ${rssMb.toFixed(1)} MB, ${descriptors} descriptors`)
    }
    // Until the back-off has come to its end and the backlog is gone.
    await sleep(MINUTE_MS)
    const finish = look()
    console.log(`end: ${finish.rssMb.toFixed(1)} MB, ${finish.descriptors} descriptors`)
    child.kill('SIGTERM')
    await once(child, 'close')
    const missing = missingSeqs(agent.broker.received)
    console.log(`missing seqs: ${missing}`)
    return (
      missing === 0 &&
      finish.rssMb - start.rssMb <= TOLERANCE.rssMb &&
      finish.descriptors - start.descriptors <= TOLERANCE.descriptors
    )
  } finally {
    clearInterval(counting)
    await agent.stop()
    rmSync(folder, { recursive: true })
  }
}

/** Holes between the first and the last seq of each machine. */
function missingSeqs(received: { topic: string; payload: string }[]): number {
  const byTopic = Map.groupBy(
    received.filter(({ topic }) => topic.endsWith('/telemetry')),
    ({ topic }) => topic,
  )
  return [...byTopic.values()].reduce((sum, messages) => {
    const seqs = new Set(messages.map(({ payload }) => (JSON.parse(payload) as TelemetryV1).seq))
    return sum + (Math.max(...seqs) - Math.min(...seqs) + 1 - seqs.size)
  }, 0)
}
