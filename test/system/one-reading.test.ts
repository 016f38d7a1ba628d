import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { createClient } from 'redis'
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest'
import type { LiveMachine } from '../../schemas/live.ts'
import type { TelemetryEvent } from '../../schemas/queues.ts'
import { findSteps } from '../../local/trace/find-steps.ts'
import { signIn } from '../helpers/api-client.ts'
import { launchChromium } from '../helpers/chromium.ts'
import { enrolGateway } from '../helpers/gateway-process.ts'
import { openLiveSocket } from '../helpers/live-client.ts'
import { setFloat32, startPlc } from '../helpers/plc.ts'
import { signedInPage } from '../helpers/signed-in-page.ts'

const endpoints = inject('endpoints')
const logs = join(inject('cloudDir'), 'logs')
const cleanup: (() => unknown)[] = []
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'one-reading-'))
  cleanup.push(() => rmSync(folder, { recursive: true, force: true }))
})
afterAll(async () => {
  for (const undo of cleanup.reverse()) await undo()
})

it('a register written in the PLC arrives in Postgres, Redis, the events channel, the live socket and the browser', async () => {
  const plc = await startPlc()
  cleanup.push(() => plc.stop())
  setFloat32(plc, 100, 20.5)

  const gateway = await enrolGateway(endpoints, {
    tenant: 'granix',
    plant: 'planta-baradero',
    folder,
    devices: `  - { name: plc-1, driver: modbus-tcp, host: 127.0.0.1, port: ${plc.port}, unitId: 1, timeoutMs: 1000 }`,
    machines: `  - slug: one-reading
    device: plc-1
    intervalMs: 100
    tags:
      temperature: { address: "holding:100", type: float32, order: ABCD, unit: "°C" }
      running: { address: "coil:3" }`,
  })
  const agent = gateway.start()
  cleanup.push(() => agent.kill('SIGKILL'))

  const database = new pg.Client({ connectionString: endpoints.postgres.url })
  await database.connect()
  cleanup.push(() => database.end())
  const newest = async () => {
    const { rows } = await database.query<{ values: Record<string, unknown> }>(
      `select e.values from telemetry_events e join machines m on m.id = e.machine_id
       where m.slug = 'one-reading' order by e.seq desc limit 1`,
    )
    return rows[0]?.values
  }
  await vi.waitFor(async () => expect(await newest()).toMatchObject({ temperature: 20.5, running: false }), 20_000)

  const redis = createClient({ url: endpoints.redis.url })
  await redis.connect()
  cleanup.push(() => redis.destroy())
  const subscriber = redis.duplicate()
  await subscriber.connect()
  cleanup.push(() => subscriber.destroy())
  const events: TelemetryEvent[] = []
  await subscriber.subscribe('events:granix:planta-baradero', (message) => {
    events.push(JSON.parse(message) as TelemetryEvent)
  })

  const email = endpoints.users.find((user) => user.tenant === 'granix' && user.role === 'viewer')!.email
  const socket = await openLiveSocket(await signIn(endpoints, email))
  cleanup.push(() => socket.stop())
  socket.send({ type: 'subscribe', plant: gateway.plantId })
  await vi.waitFor(() => expect(socket.messages.map((message) => message.type)).toContain('snapshot'), 10_000)

  const browser = await launchChromium()
  cleanup.push(() => browser.close())
  const page = await signedInPage(browser, endpoints, email)
  await page.locator('[data-plant="planta-baradero"]').click()
  await page.locator('[data-machine="one-reading"]').click()
  const shown = page.locator('[data-tag="temperature"]').first()
  await vi.waitFor(async () => expect(await shown.textContent()).toContain('20,5'), 15_000)

  setFloat32(plc, 100, 87.5)

  await vi.waitFor(async () => expect(await newest()).toMatchObject({ temperature: 87.5 }), 10_000)
  await vi.waitFor(async () => {
    const state = JSON.parse((await redis.hGet('state:granix:planta-baradero', 'one-reading')) ?? 'null') as LiveMachine
    expect(state.state?.values).toMatchObject({ temperature: 87.5 })
  }, 5_000)
  await vi.waitFor(() => {
    const event = events.find(({ machine, values }) => machine === 'one-reading' && values.temperature === 87.5)
    expect(event).toMatchObject({ type: 'telemetry', tenant: 'granix', province: 'ba', plant: 'planta-baradero' })
  }, 5_000)
  await vi.waitFor(() => {
    const machines = socket.messages.flatMap((message) => (message.type === 'delta' ? message.machines : []))
    expect(machines.some(({ slug, state }) => slug === 'one-reading' && state?.values.temperature === 87.5)).toBe(true)
  }, 5_000)
  await vi.waitFor(async () => expect(await shown.textContent()).toContain('87,5'), 5_000)

  // A newer reading may have come before the frame of the first.
  const told = await vi.waitFor(() => {
    const found = events.find(({ machine, traceId }) => machine === 'one-reading' && wasTold(traceId))
    expect(found).toBeDefined()
    return found!
  }, 10_000)
  const { traceId, seq, timestamp, receivedAt } = told
  const steps = findSteps(logs, traceId)
  expect(steps.map(({ by, what }) => [by, what])).toEqual([
    ['gateway', 'Taken at the PLC'],
    ['broker', 'Received'],
    ['ingest', 'Readings stored'],
    ['fan-out', 'Frame posted'],
  ])
  expect(steps.slice(0, 2).map(({ at }) => at)).toEqual([timestamp, receivedAt])
  expect(Number(steps.at(-1)!.details.connections)).toBeGreaterThanOrEqual(1)
  expect(findSteps(logs, `granix/planta-baradero/one-reading#${String(seq)}`)).toEqual(steps)
  expect(findSteps(logs, 'no-such-id')).toEqual([])
})

const wasTold = (traceId: string) => findSteps(logs, traceId).some(({ what }) => what === 'Frame posted')
