import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, expect, inject, it, vi } from 'vitest'
import { connectThrough, enrolGateway } from '../helpers/gateway-process.ts'
import { startPlc } from '../helpers/plc.ts'
import { startTcpProxy } from '../helpers/tcp-proxy.ts'

const endpoints = inject('endpoints')
const folder = mkdtempSync(join(tmpdir(), 'outage-'))
const cleanup: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })]
afterAll(async () => {
  for (const undo of cleanup.reverse()) await undo()
})

it('kill -9 of the agent while the broker is away, then both return: each seq exactly once in Postgres', async () => {
  const plc = await startPlc()
  cleanup.push(() => plc.stop())
  let cycle = 0
  const counting = setInterval(() => plc.holding.set(1, (cycle += 1) % 65_536), 50)
  cleanup.push(() => clearInterval(counting))

  const gateway = await enrolGateway(endpoints, {
    tenant: 'norpan',
    plant: 'planta-rosario',
    folder,
    devices: `  - { name: plc-1, driver: modbus-tcp, host: 127.0.0.1, port: ${plc.port}, unitId: 1 }`,
    machines: `  - slug: outage
    device: plc-1
    intervalMs: 100
    tags: { count: { address: "holding:1", type: uint16 } }`,
  })
  const line = await startTcpProxy(endpoints.mqtt)
  cleanup.push(() => line.stop())
  connectThrough(gateway.dataDir, line.port)

  const database = new pg.Client({ connectionString: endpoints.postgres.url })
  await database.connect()
  cleanup.push(() => database.end())
  const stored = async () => {
    const { rows } = await database.query<{ rows: string; distinct: string; first: string; last: string }>(
      `select count(*)::text as rows, count(distinct e.seq)::text as distinct, min(e.seq)::text as first, max(e.seq)::text as last
       from telemetry_events e join machines m on m.id = e.machine_id where m.slug = 'outage'`,
    )
    const row = rows[0]!
    return { rows: Number(row.rows), distinct: Number(row.distinct), first: Number(row.first), last: Number(row.last) }
  }

  const first = gateway.start()
  cleanup.push(() => first.kill('SIGKILL'))
  await vi.waitFor(async () => expect((await stored()).rows).toBeGreaterThan(5), 20_000)

  line.cut()
  const whenCut = cycle
  await vi.waitFor(() => expect(cycle - whenCut).toBeGreaterThan(60), 15_000)
  first.kill('SIGKILL')
  await once(first, 'exit')
  const before = await stored()

  const second = gateway.start()
  cleanup.push(() => second.kill('SIGKILL'))
  const whenBack = cycle
  await vi.waitFor(() => expect(cycle - whenBack).toBeGreaterThan(40), 15_000)
  line.mend()

  // Live goes first, so the newest arrives while the backlog is still on its way.
  await vi.waitFor(async () => {
    const { rows, distinct, first, last } = await stored()
    expect(last).toBeGreaterThan(before.last + 60)
    expect(rows).toBe(last - first + 1)
    expect(distinct).toBe(rows)
  }, 60_000)
}, 180_000)
