import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectAsync } from 'mqtt'
import pg from 'pg'
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest'
import { identityFiles, readIdentity, type Identity } from '../../gateway-agent/src/identity.ts'
import type { CompletenessOfMachine, Gateway, MachinePage, Plant } from '../../schemas/api.ts'
import { signIn, type ApiClient } from '../helpers/api-client.ts'
import { prepareCountingGateway, type CountingGateway } from '../helpers/counting-gateway.ts'

const endpoints = inject('endpoints')
const ca = readFileSync(join(import.meta.dirname, '../..', endpoints.mqtt.caFile))
const cleanup: (() => unknown)[] = []
let database: pg.Client
let api: ApiClient
beforeAll(async () => {
  database = new pg.Client({ connectionString: endpoints.postgres.url })
  await database.connect()
  cleanup.push(() => database.end())
  api = await signIn(
    endpoints,
    endpoints.users.find(({ tenant, role }) => tenant === 'norpan' && role === 'admin')!.email,
  )
})
afterAll(async () => {
  for (const undo of cleanup.reverse()) await undo()
})

async function start(machine: string): Promise<{ gateway: CountingGateway; agent: ChildProcess }> {
  const gateway = await prepareCountingGateway(endpoints, { machine, intervalMs: 100 })
  cleanup.push(() => gateway.stop())
  const agent = gateway.start()
  await vi.waitFor(async () => expect((await stored(machine)).seqs).toBeGreaterThan(5), 30_000)
  return { gateway, agent }
}

/** Of the machine, in whatever plant. */
async function stored(machine: string) {
  const { rows } = await database.query<{ seqs: number; repeats: number; first: number; last: number; plants: number }>(
    `select count(distinct e.seq)::float8 as seqs, (count(*) - count(distinct (m.id, e.seq)))::float8 as repeats,
       min(e.seq)::float8 as first, max(e.seq)::float8 as last, count(distinct m.plant_id)::float8 as plants
     from telemetry_events e join machines m on m.id = e.machine_id where m.slug = $1`,
    [machine],
  )
  return rows[0]!
}

async function expectEachOnce(machine: string, beyond: number): Promise<void> {
  await vi.waitFor(async () => {
    const { seqs, repeats, first, last } = await stored(machine)
    expect(last).toBeGreaterThan(beyond)
    expect({ seqs, repeats }).toEqual({ seqs: last - first + 1, repeats: 0 })
  }, 60_000)
}

const gatewayOf = async ({ thingName }: CountingGateway) => (await api.get(`/gateways/${thingName}`)) as Gateway

function isTaken({ thingName, certificatePem, privateKey }: Identity): Promise<boolean> {
  const { host, port } = endpoints.mqtt
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  const options = { clientId: thingName, protocolVersion: 4 as const, reconnectPeriod: 0, connectTimeout: 5000 }
  return connectAsync(`mqtts://${host}:${port}`, { ...options, cert: certificatePem, key, ca }).then(
    async (client) => {
      await client.endAsync(true)
      return true
    },
    () => false,
  )
}

it('a rotation while values count up, with kill -9 at its steps: each seq once, and only the newest certificate is taken', async () => {
  const { gateway, agent: first } = await start('rotating')
  let agent = first
  const { dataDir, thingName } = gateway
  const made = identityFiles(dataDir, 'identity.new')
  const certificates = [readIdentity(dataDir)]

  /** Rotates; the agent is killed as soon as `when` holds, and started again. */
  const rotate = async (when?: () => boolean) => {
    const { certificateId } = readIdentity(dataDir)
    expect(((await api.post(`/gateways/${thingName}/rotate`)) as Gateway).lifecycle).toBe('rotating')
    agent.kill('SIGHUP')
    if (when) {
      await vi.waitFor(() => expect(when()).toBe(true), { timeout: 30_000, interval: 1 })
      agent.kill('SIGKILL')
      await once(agent, 'exit')
      agent = gateway.start()
    }
    await vi.waitFor(
      async () => {
        expect(readIdentity(dataDir).certificateId).not.toBe(certificateId)
        expect((await gatewayOf(gateway)).lifecycle).toBe('active')
      },
      { timeout: 60_000, interval: 100 },
    )
    certificates.push(readIdentity(dataDir))
  }
  const sessions = (await gatewayOf(gateway)).sessionsLastDay
  await rotate()
  const { connection, sessionsLastDay } = await gatewayOf(gateway)
  expect({ connection, sessionsLastDay }).toEqual({ connection: 'online', sessionsLastDay: sessions + 1 })
  await rotate(() => existsSync(made.privateKey))
  await rotate(() => existsSync(made.identity))

  await expectEachOnce('rotating', (await stored('rotating')).last + 20)
  agent.kill('SIGTERM')
  await once(agent, 'exit')
  const taken = []
  for (const certificate of certificates) taken.push(await isTaken(certificate))
  expect(taken).toEqual([false, false, false, true])
  await expectEachOnce('rotating', 0)
}, 240_000)

it('a gateway that is moved sends to its new plant, what waited included, and no plant misses a reading', async () => {
  const { gateway } = await start('moving')
  const other = (await api.post('/plants', {
    ...{ slug: 'planta-nueva', province: 'sf', name: 'Planta Nueva', timeZone: 'America/Argentina/Cordoba' },
  })) as Plant
  // It is carried over with a backlog.
  gateway.line.cut()
  const whenCut = gateway.count()
  await vi.waitFor(() => expect(gateway.count() - whenCut).toBeGreaterThan(40), 15_000)
  await api.post(`/gateways/${gateway.thingName}/move`, { plantId: other.plantId })
  const { last } = await stored('moving')
  gateway.line.mend()
  await vi.waitFor(() => expect(readIdentity(gateway.dataDir).plant).toBe(other.slug), 60_000)
  await expectEachOnce('moving', last + 30)
  expect((await stored('moving')).plants).toBe(2)
  const completenessAt = async (plantId: string) => {
    const { items } = (await api.get(`/plants/${plantId}/machines?limit=500`)) as MachinePage
    const { machineId } = items.find(({ slug }) => slug === 'moving')!
    return (await api.get(`/machines/${machineId}/completeness`)) as CompletenessOfMachine
  }
  await vi.waitFor(
    async () => {
      const there = await completenessAt(other.plantId)
      expect(there).toMatchObject({ percent: 100, missing: 0 })
      expect(there.declared.at(-1)!.from).toBeLessThanOrEqual(last + 1)
    },
    { timeout: 60_000, interval: 500 },
  )
  // Null where no heartbeat had come before the cut: what is stored was never declared there, and nothing is expected.
  const here = await completenessAt(gateway.plantId)
  expect(here).toMatchObject({ missing: 0, lost: 0, underway: 0 })
  expect([100, null]).toContain(here.percent)
}, 180_000)
