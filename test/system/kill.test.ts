import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, expect, inject, it, vi } from 'vitest'
import { bundleAgent } from '../../gateway-agent/build.ts'
import type { AgentStatus } from '../../gateway-agent/src/agent-status.ts'
import { askOnce } from '../../gateway-agent/src/ask-agent.ts'
import { LEAN_V8 } from '../../gateway-agent/src/lean.ts'
import { Outbox } from '../../gateway-agent/src/outbox.ts'
import type { TelemetryV1 } from '../../schemas/telemetry.ts'
import { type CountingGateway, prepareCountingGateway } from '../helpers/counting-gateway.ts'
import { committedIn, witnessOutbox } from '../helpers/outbox-witness.ts'

/** Side by side, as each waits for its clock most of the time. */
const MACHINES = ['killed-1', 'killed-2']
const KILLS = 50

const endpoints = inject('endpoints')
const cleanup: (() => unknown)[] = []
afterAll(async () => {
  for (const undo of cleanup.reverse()) await undo()
})

it('kill -9 at random instants, 50 times, while values count up: Postgres has each reading that was committed, once and as it was', async () => {
  const database = new pg.Client({ connectionString: endpoints.postgres.url })
  await database.connect()
  cleanup.push(() => database.end())
  const stored = async (machine: string) => {
    const { rows } = await database.query<{ seq: number; timestamp: number; values: object; quality: object | null }>(
      `select e.seq::float8 as seq, e.ts::float8 as timestamp, e.values, e.quality from telemetry_events e
       join machines m on m.id = e.machine_id where m.slug = $1 order by e.seq`,
      [machine],
    )
    return rows
  }
  const gateways = await Promise.all(
    MACHINES.map(async (machine) => {
      const gateway = await prepareCountingGateway(endpoints, { machine, intervalMs: 50 })
      cleanup.push(() => gateway.stop())
      return { machine, ...gateway }
    }),
  )

  const outcomes = await Promise.all(gateways.map((gateway) => killOften(gateway, KILLS / MACHINES.length)))

  for (const [index, committed] of outcomes.entries()) {
    const { machine, count } = gateways[index]!
    const expected = committed.map(({ seq, timestamp, values, quality = null }) => ({
      seq,
      timestamp,
      values,
      quality,
    }))
    expect(expected.length).toBeGreaterThan(KILLS)
    await vi.waitFor(async () => expect(await stored(machine)).toHaveLength(expected.length), 30_000)
    expect(await stored(machine)).toEqual(expected)
    expect(expected.map(({ seq }) => seq)).toEqual(expected.map((_, n) => expected[0]!.seq + n))
    const counts = expected.map(({ values }) => values.count).filter((value) => value !== null) as number[]
    expect(counts).toEqual(counts.toSorted((a, b) => a - b))
    expect(counts.at(-1)).toBeLessThanOrEqual(count())
  }
  const { rows: refused } = await database.query(`select code, topic from quarantine where topic like '%/killed-%'`)
  expect(refused).toEqual([])
}, 300_000)

/** Kills the agent again and again, then lets it send all that waits; returns what its outbox has committed. */
async function killOften({ dataDir, configFile, line, plc }: CountingGateway, kills: number): Promise<TelemetryV1[]> {
  const program = bundleAgent(join(dataDir, 'program'), { selfContained: false })
  const start = () => {
    const args = [...LEAN_V8, program, 'run', '--config', configFile]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] })
    cleanup.push(() => child.kill('SIGKILL'))
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    const isConnected = () =>
      vi.waitFor(() => expect(said).toContain('mqtt: connected'), { timeout: 60_000, interval: 5 })
    return { child, isConnected }
  }
  new Outbox(join(dataDir, 'outbox.sqlite'), { maxMegabytes: 1 }).close()
  witnessOutbox(dataDir)
  for (let kill = 1; kill <= kills; kill += 1) {
    const { child, isConnected } = start()
    // While it starts; while it sends; and while the line is away.
    if (kill % 3 > 0) await isConnected()
    if (kill % 3 === 2) line.cut()
    await sleep(Math.random() * 500)
    child.kill('SIGKILL')
    await once(child, 'close')
    line.mend()
  }
  const { child } = start()
  // Without it there is nothing new to read, and the outbox becomes empty.
  await plc.stop()
  await vi.waitFor(
    async () => {
      const { tags, buffer } = await askOnce<AgentStatus>(dataDir, { command: 'status' })
      expect({ value: tags[0]!.value, waiting: buffer.messages }).toEqual({ value: null, waiting: 0 })
    },
    { timeout: 60_000, interval: 100 },
  )
  child.kill('SIGTERM')
  await once(child, 'close')
  return committedIn(dataDir)
}
