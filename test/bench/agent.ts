/** The gateway agent by itself: its memory at rest, its start, its outbox, and a backlog beside live readings. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { telemetryTopicOf } from '../../gateway-agent/src/identity.ts'
import { MqttConnection } from '../../gateway-agent/src/mqtt-connection.ts'
import { Outbox } from '../../gateway-agent/src/outbox.ts'
import { Publisher } from '../../gateway-agent/src/publisher.ts'
import { prepareAgent } from '../helpers/agent-under-test.ts'
import { createAuthority } from '../unit/gateway-agent/test-authority.ts'
import { startBroker } from '../unit/gateway-agent/test-broker.ts'
import { silentLog } from '../unit/gateway-agent/silent-log.ts'
import { testIdentity } from '../unit/gateway-agent/test-identity.ts'
import { type Figure, median, percentile } from './figure.ts'
import { usageOf } from './process-usage.ts'

const STARTS = 5
const IDLE_MS = 60_000
const CYCLES = 1000
const PER_CYCLE = 100
const BACKLOG = 100_000
const PUBLISHES_PER_SECOND = 80
const DRAIN_MS = 60_000
const LIVE_INTERVAL_MS = 100

export async function benchAgent(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-agent-'))
  try {
    return [...(await idleAgent(folder)), outboxInAndOut(folder), ...(await backlog(folder, DRAIN_MS))]
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The backlog of `benchAgent` to its end, which takes 24 minutes beside the live messages. */
export async function benchWholeBacklog(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-agent-'))
  try {
    return await backlog(folder, Infinity)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function idleAgent(folder: string): Promise<Figure[]> {
  const tags = Array.from({ length: 10 }, (_, n) => `t${n}: { address: "holding:${n}" }`).join(', ')
  const agent = await prepareAgent(folder, `  - { slug: pump-1, device: plc-1, tags: { ${tags} } }`)
  const telemetry = () => agent.broker.received.filter(({ topic }) => topic.endsWith('/telemetry')).length
  try {
    const starts: number[] = []
    let child = agent.start()
    for (let start = 1; start <= STARTS; start += 1) {
      child.kill('SIGKILL')
      const before = telemetry()
      const begin = performance.now()
      child = agent.start()
      while (telemetry() === before) await sleep(5)
      starts.push((performance.now() - begin) / 1000)
    }
    await sleep(IDLE_MS)
    const { rssMb } = usageOf([child.pid!])
    return [
      {
        what: 'agent: start to first publish, Modbus, 10 tags',
        measured: `median ${median(starts).toFixed(2)} s, slowest ${Math.max(...starts).toFixed(2)} s of ${STARTS}`,
        toReach: '2 s or less',
        reached: Math.max(...starts) <= 2,
      },
      {
        what: 'agent at rest, Modbus, 10 tags at 1 s',
        measured: `${rssMb.toFixed(1)} MB RSS`,
        toReach: 'at most 72 MB RSS',
        reached: rssMb <= 72,
      },
    ]
  } finally {
    await agent.stop()
  }
}

/** A cycle is put in, and as much taken out, in turns: each a transaction with synchronous=FULL. */
function outboxInAndOut(folder: string): Figure {
  const outbox = new Outbox(join(folder, 'in-and-out.sqlite'), { maxMegabytes: 1024 })
  const values = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`tag-${n}`, n + 0.5]))
  const cycle = Array.from({ length: PER_CYCLE }, (_, n) => ({ machine: `m-${n}`, timestamp: 1, values }))
  const begin = performance.now()
  let after = 0
  for (let count = 0; count < CYCLES; count += 1) {
    outbox.add(cycle)
    const ids = outbox.peek({ after, until: outbox.lastId, limit: PER_CYCLE }).map(({ id }) => id)
    outbox.remove(ids)
    after = ids.at(-1)!
  }
  const perSecond = (CYCLES * PER_CYCLE) / ((performance.now() - begin) / 1000)
  if (outbox.count !== 0) throw new Error(`${outbox.count} messages are left`)
  outbox.close()
  return {
    what: 'outbox, synchronous=FULL, 100 messages of 10 tags a cycle',
    measured: `${perSecond.toFixed(0)} messages/s in and out`,
    toReach: 'at least 5,000 messages/s',
    reached: perSecond >= 5000,
  }
}

/** Drains for `longestMs`, or until the backlog is gone. */
async function backlog(folder: string, longestMs: number): Promise<Figure[]> {
  const outbox = new Outbox(join(folder, 'backlog.sqlite'), { maxMegabytes: 1024 })
  const authority = await createAuthority()
  const broker = await startBroker(authority)
  const identity = await testIdentity(authority, broker.port)
  for (let count = 0; count < BACKLOG; count += 1000) {
    outbox.add(
      Array.from({ length: 1000 }, (_, n) => ({
        machine: 'pump-1',
        timestamp: 1,
        values: { count: count + n, live: false },
      })),
    )
  }
  const log = silentLog()
  const will = () => ({ topic: identity.topics.status, payload: '{}' })
  const connection = new MqttConnection({ identities: [identity], port: 'auto', will, log })
  const publisher = new Publisher({
    ...{ outbox, connection, log, publishesPerSecond: PUBLISHES_PER_SECOND },
    topicOf: (machine) => telemetryTopicOf(identity, machine),
  })
  try {
    while (broker.received.length === 0) await sleep(5)
    // Past the burst that the bucket allows at first.
    await sleep(2000)
    const before = broker.received.length
    const waits: number[] = []
    let seen = before
    const look = () => {
      for (const { payload } of broker.received.slice(seen)) {
        const { values } = JSON.parse(payload) as { values: { addedAt?: number } }
        if (values.addedAt !== undefined) waits.push(performance.now() - values.addedAt)
      }
      seen = broker.received.length
    }
    const looking = setInterval(look, 2)
    const adding = setInterval(
      () => outbox.add([{ machine: 'robot-2', timestamp: Date.now(), values: { addedAt: performance.now() } }]),
      LIVE_INTERVAL_MS,
    )
    const begin = performance.now()
    while (publisher.mode === 'draining' && performance.now() - begin < longestMs) await sleep(100)
    const seconds = (performance.now() - begin) / 1000
    const published = broker.received.length - before
    clearInterval(adding)
    clearInterval(looking)
    const share = published / (seconds * PUBLISHES_PER_SECOND)
    const p95 = percentile(waits, 95)
    return [
      {
        what: `backlog of ${BACKLOG} messages: share of ${PUBLISHES_PER_SECOND} publishes/s that is used`,
        measured: `${(share * 100).toFixed(1)} % over ${seconds.toFixed(0)} s, ${outbox.count} left`,
        toReach: 'at least 95 %',
        reached: share >= 0.95,
      },
      {
        what: 'live messages beside that backlog: from the outbox to the broker',
        measured: `p95 ${p95.toFixed(0)} ms, median ${median(waits).toFixed(0)} ms of ${waits.length}`,
        toReach: 'p95 at most 250 ms',
        reached: p95 <= 250,
      },
    ]
  } finally {
    await publisher.stop(0)
    await connection.stop()
    await broker.stop()
    outbox.close()
  }
}
