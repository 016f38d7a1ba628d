/**
 * Each function does here all that it does in AWS, judged by its role. What a role grants and nobody has used is a right
 * too many.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import { HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import pg from 'pg'
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest'
import type { AlarmPage, CreatedAlarmWebhook } from '../../schemas/alarm-requests.ts'
import type { CreatedGateway, DeadLetterPage, MachinePage, PlantPage } from '../../schemas/api.ts'
import type { Export, ExportWithUrl } from '../../schemas/exports.ts'
import type { LiveServerMessage } from '../../schemas/live.ts'
import { Assembly } from '../../local/assembly/assembly.ts'
import { functionResources } from '../../local/assembly/read-functions.ts'
import type { AwsCall } from '../../local/iam/guard.ts'
import { readNeeds, unmetNeeds } from '../../local/iam/needs.ts'
import { isAllowed, readRoles, type Role } from '../../local/iam/roles.ts'
import { synthesize } from '../../local/synth.ts'
import { type ApiClient, signIn } from '../helpers/api-client.ts'
import { createCompany } from '../helpers/company.ts'
import { status, telemetry } from '../helpers/envelopes.ts'
import { enrolGateway } from '../helpers/gateway-process.ts'
import { openLiveSocket } from '../helpers/live-client.ts'
import type { TestPlant } from '../helpers/plant.ts'

const DAY_MS = 86_400_000
const endpoints = inject('endpoints')
const { region, queues } = endpoints.sqs
const administrator = { accessKeyId: 'local', secretAccessKey: 'local' }
const lambda = new LambdaClient({ endpoint: endpoints.lambda.url, region, credentials: administrator })
const sqs = new SQSClient({ endpoint: endpoints.sqs.url, region, credentials: administrator })
const folder = mkdtempSync(join(tmpdir(), 'rights-'))

let api: ApiClient
let plant: Pick<TestPlant, 'tenant' | 'province' | 'plant' | 'thingName' | 'plantId'>
/** The running system's templates. */
let assembly: Assembly

beforeAll(async () => {
  api = await signIn(
    endpoints,
    endpoints.users.find((user) => user.tenant === 'norpan' && user.role === 'admin')!.email,
  )
  const { items } = (await api.get('/plants')) as PlantPage
  const { slug, province } = items[0]!
  const { thingName, plantId } = await enrolGateway(endpoints, {
    ...{ tenant: 'norpan', plant: slug, folder },
    devices: '  - { name: none, driver: modbus-tcp, host: 127.0.0.1, port: 1, unitId: 1 }',
    machines: '  - { slug: none, device: none, intervalMs: 60000, tags: { a: { address: "coil:0" } } }',
  })
  plant = { tenant: 'norpan', province, plant: slug, thingName, plantId }
  const templates = await synthesize(join(import.meta.dirname, '../../.local/assembly'), AbortSignal.timeout(60_000))
  assembly = Assembly.read(templates, {
    queueUrl: (name) => `${endpoints.sqs.url}/000000000000/${name}`,
    database: { host: '127.0.0.1', port: 5432 },
    redis: { host: '127.0.0.1', port: 6379 },
    secret: () => '{"password":"none"}',
  })
})
afterAll(() => {
  sqs.destroy()
  lambda.destroy()
  rmSync(folder, { recursive: true, force: true })
})

const invoke = (FunctionName: string) => lambda.send(new InvokeCommand({ FunctionName, Payload: Buffer.from('{}') }))
const send = (QueueUrl: string, MessageBody: string) => sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }))
const calls = async () =>
  (await (await fetch(`${endpoints.iot.url}/local/calls`)).json()) as (AwsCall & { functionName: string })[]

it('refuses a function what its role does not grant, in the words of AWS', async () => {
  const credentials = { accessKeyId: functionName('PresenceSweep'), secretAccessKey: 'any' }
  const asSweep = new SQSClient({ endpoint: endpoints.sqs.url, region, credentials })
  await expect(asSweep.send(new SendMessageCommand({ QueueUrl: queues.telemetry, MessageBody: '{}' }))).rejects.toThrow(
    /is not authorized to perform: sqs:SendMessage on resource: arn:aws:sqs:.*Telemetry/,
  )
  await expect(asSweep.send(new ReceiveMessageCommand({ QueueUrl: queues.status }))).resolves.toBeDefined()
  asSweep.destroy()
})

it('grants no role a statement whose removal would break nothing', async () => {
  await useEveryRight()
  await archiveOldDay()
  await exportOldDay()
  await useRightsOverAlarms()
  await useRightsOverPeopleAndTenants()
  await vi.waitFor(async () => expect(await unusedStatements(readRoles(assembly))).toEqual([]), {
    timeout: 30_000,
    interval: 500,
  })
})

it('finds a statement that nobody uses', async () => {
  const roles = readRoles(assembly)
  const [arn, role] = [...roles].find(([name]) => name.includes('IngestRole'))!
  const tooMuch = { effect: 'Allow' as const, actions: ['s3:GetObject'], resources: ['*'] }
  roles.set(arn, { ...role, statements: [...role.statements, tooMuch] })
  expect(await unusedStatements(roles)).toContain(`${arn}: s3:GetObject on *`)
})

async function unusedStatements(roles: Map<string, Role>): Promise<string[]> {
  const functions = functionResources(assembly)
  const roleOf = new Map(functions.map((one) => [assembly.ref(one), String(one.properties.Role)]))
  const needs = readNeeds(assembly, functions)
  const made = await calls()
  const breaks = (without: Role) =>
    unmetNeeds(needs, new Map(roles).set(without.arn, without)).length > 0 ||
    made.some(
      (call) => roleOf.get(call.functionName) === without.arn && !isAllowed(without, call.action, call.resource),
    )
  return [...roles.values()]
    .filter(({ arn }) => needs.some(({ role }) => role === arn))
    .flatMap((role) =>
      role.statements
        .filter((_, index) => !breaks({ ...role, statements: role.statements.toSpliced(index, 1) }))
        .map(({ actions, resources }) => `${role.arn}: ${actions.join(', ')} on ${resources.join(', ')}`),
    )
}

/** A gateway has been enrolled. Then: readings and heartbeats that somebody watches, refused ones, a redrive, a silence. */
async function useEveryRight(): Promise<void> {
  const watcher = await openLiveSocket(api)
  watcher.send({ type: 'subscribe', plant: plant.plantId })
  await vi.waitFor(() => expect(watcher.messages.map(({ type }) => type)).toContain('snapshot'), 10_000)
  await send(queues.telemetry, telemetry(plant, 'press', {}))
  // The last that was heard of the gateway, long ago.
  await send(queues.status, status(plant, heartbeat(), { receivedAt: Date.now() - 600_000 }))
  await send(queues.telemetry, telemetry(plant, 'press', {}, { payload: 'no JSON' }))
  await send(queues.lateTelemetry, telemetry(plant, 'press', {}, { payload: 'no JSON' }))
  await send(queues.status, status(plant, heartbeat(), { payload: 'no JSON' }))
  await vi.waitFor(async () => {
    const { items } = (await api.get('/dead-letters?code=invalid_json')) as DeadLetterPage
    expect(items.filter(({ thingName }) => thingName === plant.thingName)).toHaveLength(3)
  }, 20_000)
  await api.post('/dead-letters/redrive', { code: 'invalid_json' })
  await invoke('iot-telemetry-dev-redrive')

  // Until its frame is there, a work item of the plant waits, and nobody needs to send another.
  await vi.waitFor(() => expect(watcher.messages.some(isOnline)).toBe(true), 10_000)
  await send(queues.lateTelemetry, telemetry(plant, 'late', {}))
  await vi.waitFor(() => expect(watcher.messages.some(isLate)).toBe(true), 10_000)
  await invoke(functionName('PresenceSweep'))
  watcher.stop()
  await api.post(`/gateways/${plant.thingName}/revoke`)
  await deleteHalfWay()
  await closeSocketByApi()
  await api.post(`/gateways/${plant.thingName}/revoke`)
}

const isOnline = (message: LiveServerMessage) =>
  message.type === 'delta' &&
  message.gateways.some(({ thingName, connection }) => thingName === plant.thingName && connection === 'online')

const isLate = (message: LiveServerMessage) =>
  message.type === 'delta' && message.machines.some(({ slug }) => slug === 'late')

/** A gateway whose deletion has stopped before AWS IoT was told, and a Thing of none: the reconciler's to finish. */
async function deleteHalfWay(): Promise<void> {
  const { thingName } = await enrolGateway(endpoints, {
    ...{ tenant: 'norpan', plant: plant.plant, folder },
    devices: '  - { name: none, driver: modbus-tcp, host: 127.0.0.1, port: 1, unitId: 1 }',
    machines: '  - { slug: none, device: none, intervalMs: 60000, tags: { a: { address: "coil:0" } } }',
  })
  const database = new pg.Client({ connectionString: endpoints.postgres.url })
  await database.connect()
  await database.query(`update gateways set lifecycle = 'revoked', delete_requested_at = 1 where thing_name = $1`, [
    thingName,
  ])
  await database.query(
    `update gateway_certificates set state = 'ending' where gateway_id = (select id from gateways where thing_name = $1)`,
    [thingName],
  )
  // One that the database has lost.
  const { gateway } = (await api.post('/gateways', { plantId: plant.plantId })) as CreatedGateway
  await database.query('delete from gateways where thing_name = $1', [gateway.thingName])
  await database.end()
  const { Payload } = await invoke(functionName('ReconcileGateways'))
  expect(JSON.parse(Buffer.from(Payload!).toString())).toMatchObject({
    ...{ repaired: [thingName], removed: [gateway.thingName], unrepaired: [] },
  })
  expect((await api.request('GET', `/gateways/${thingName}`)).status).toBe(404)
}

/** A day that nobody writes any more, and which late data makes the archive write anew. */
async function archiveOldDay(): Promise<void> {
  const database = new pg.Client({ connectionString: endpoints.postgres.url })
  await database.connect()
  const day = Math.floor(Date.now() / DAY_MS) - 40
  await database.query('select ensure_partitions($1, $1)', [new Date(day * DAY_MS).toISOString().slice(0, 10)])
  const { rows } = await database.query<{ id: string }>(`select id from tenants where slug = 'norpan'`)
  const ofDay = [rows[0]!.id, '01890a5d-ac96-774b-bcce-b302099a8057', day]
  const archived = async (seq: number) => {
    await database.query(
      `insert into telemetry_events select $1, $2, $3::int8 * ${DAY_MS} + $4, $4, 1, '{"a":1}', null`,
      [...ofDay, seq],
    )
    await database.query('insert into archive_queue (tenant_id, machine_id, day) values ($1, $2, $3)', ofDay)
    const { Payload } = await invoke(functionName('Archive'))
    return JSON.parse(Buffer.from(Payload!).toString()) as unknown
  }
  // Another test's days may have waited with it.
  const verified = { verified: expect.toSatisfy((days: number) => days >= 1) as number }
  expect(await archived(1)).toMatchObject(verified)
  expect(await archived(2)).toMatchObject(verified)
  await database.end()
}

/** A file of that day and of today, asked for and fetched as a person does. */
async function exportOldDay(): Promise<void> {
  const { items } = (await api.get(`/plants/${plant.plantId}/machines`)) as MachinePage
  const { machineId, state } = items.find(({ slug }) => slug === 'press')!
  const [from, to] = [Date.now() - 41 * DAY_MS, Date.now()]
  const wanted = { machineId, tags: Object.keys(state!.values).slice(0, 1), from, to, format: 'csv' }
  const { exportId } = (await api.post('/exports', wanted)) as Export
  const url = await vi.waitFor(
    async () => {
      const one = (await api.get(`/exports/${exportId}`)) as ExportWithUrl
      expect(one.state).toBe('ready')
      return one.url!
    },
    { timeout: 20_000, interval: 200 },
  )
  expect(await (await fetch(url)).text()).toContain(',press,')
}

async function closeSocketByApi(): Promise<void> {
  const viewer = endpoints.users.find(({ role }) => role === 'viewer')!
  const asViewer = await signIn(endpoints, viewer.email)
  const socket = await openLiveSocket(asViewer)
  await asViewer.post('/me/sign-out')
  await socket.closed
}

/** An alarm that somebody watches, is mailed, acknowledges and shelves; and what the sweep tells of it. */
async function useRightsOverAlarms(): Promise<void> {
  const watcher = await openLiveSocket(api)
  watcher.send({ type: 'subscribe', plant: plant.plantId })
  await vi.waitFor(() => expect(watcher.messages.map(({ type }) => type)).toContain('snapshot'), 10_000)
  await api.request('PATCH', '/me/notifications', { emailFrom: 'low' })
  const condition = { kind: 'above', limit: 50 }
  await api.post('/alarm-rules', {
    name: 'hot',
    plantId: plant.plantId,
    tag: 'temperature',
    condition,
    severity: 'high',
  })
  let seq = 1000
  const alarmId = await vi.waitFor(
    async () => {
      await send(queues.telemetry, telemetry(plant, 'press', { seq: ++seq }))
      await send(queues.lateTelemetry, telemetry(plant, 'oven', { seq }))
      const { items } = (await api.get(`/alarms?plantId=${plant.plantId}`)) as AlarmPage
      expect(items.map(({ machine }) => machine).toSorted()).toEqual(['oven', 'press'])
      return items.find(({ machine }) => machine === 'press')!.alarmId
    },
    { timeout: 20_000, interval: 500 },
  )
  await vi.waitFor(
    async () =>
      expect(await mails()).toContainEqual(
        expect.objectContaining({ subject: expect.stringContaining('press temperature') as string }),
      ),
    10_000,
  )
  const isTold = (state: string) => (message: LiveServerMessage) =>
    message.type === 'delta' && message.alarms.some((alarm) => alarm.alarmId === alarmId && alarm.state === state)
  await vi.waitFor(() => expect(watcher.messages.some(isTold('unacknowledged'))).toBe(true), 10_000)
  await api.post(`/alarms/${alarmId}/acknowledge`, { comment: 'seen' })
  await vi.waitFor(() => expect(watcher.messages.some(isTold('acknowledged'))).toBe(true), 10_000)
  // TEST-NET-1: refused when it is called, so that nothing leaves this machine.
  const database = new pg.Client({ connectionString: endpoints.postgres.url })
  await database.connect()
  const url = 'https://198.41.0.4/hook'
  const { webhook } = (await api.post('/alarm-webhooks', {
    name: 'hook',
    url,
    plantId: plant.plantId,
  })) as CreatedAlarmWebhook
  await database.query(`update alarm_webhooks set url = 'https://192.0.2.1/hook' where id = $1`, [webhook.webhookId])
  await api.request('POST', `/alarm-webhooks/${webhook.webhookId}/test`)
  await vi.waitFor(async () => {
    const { items } = (await api.get('/alarm-webhooks')) as { items: { lastError: string | null }[] }
    expect(items[0]!.lastError).toContain('not public')
  }, 10_000)
  await database.query(
    `update alarms set suppressed = 'shelved', suppressed_since = 1, suppressed_until = 1, suppressed_reason = 'test' where id = $1`,
    [alarmId],
  )
  await database.query('update alarm_outbox set taken_at = null, created_at = 1 where alarm_id = $1', [alarmId])
  await database.end()
  await invoke(functionName('AlarmSweep'))
  watcher.stop()
}

const mails = async () => (await fetch(`${endpoints.iot.url}/local/mails`)).json() as Promise<{ subject: string }[]>

/** A company whose admin signs out with a socket open, and which then is deleted, up to where the consumers are waited for. */
async function useRightsOverPeopleAndTenants(): Promise<void> {
  const company = await createCompany(endpoints, 'rights')
  const { endpoints: withAdmin, adminEmail, admin } = company
  const own = await signIn(withAdmin, adminEmail)
  await enrolGateway(withAdmin, {
    ...{ tenant: 'rights', plant: company.plant, folder },
    devices: '  - { name: none, driver: modbus-tcp, host: 127.0.0.1, port: 1, unitId: 1 }',
    machines: '  - { slug: none, device: none, intervalMs: 60000, tags: { a: { address: "coil:0" } } }',
  })
  const first = await openLiveSocket(own)
  await own.post('/me/sign-out')
  await first.closed
  const second = await vi.waitFor(async () => openLiveSocket(await signIn(withAdmin, adminEmail)), 5_000)
  let answer = await admin({ command: 'tenant delete', slug: 'rights' })
  while (answer.status === 'working' && answer.waitMs === 0)
    answer = await admin({ command: 'tenant delete', slug: 'rights', cursor: answer.cursor })
  await second.closed
  // The rest waits for the consumers; it may be gone on with at any step.
  const files = await admin({ command: 'tenant archive', slug: 'norpan' })
  if (files.status !== 'files') throw new Error(files.message)
  expect((await fetch(files.files[0]!.url)).status).toBe(200)
  const s3 = new S3Client({ endpoint: endpoints.s3.url, region, credentials: administrator, forcePathStyle: true })
  const { archive, exports } = endpoints.s3.buckets
  const objects = [
    { Bucket: archive, Key: 'readings/tenant=rights/date=2026-01-01/x.parquet' },
    { Bucket: exports, Key: 'exports/tenant=rights/x.csv' },
  ]
  for (const object of objects) await s3.send(new PutObjectCommand({ ...object, Body: 'x' }))
  await admin({ command: 'tenant delete', slug: 'rights', cursor: 'archive:' })
  for (const object of objects)
    await expect(s3.send(new HeadObjectCommand(object))).rejects.toMatchObject({ name: 'NotFound' })
  s3.destroy()
}

const heartbeat = () => ({
  ...{ schemaVersion: 1, timestamp: Date.now(), state: 'online', sessionId: 'rights' },
  gateway: { thingName: plant.thingName, version: '1.0.0', uptimeSec: 10 },
  health: { internet: 'up', mqtt: 'up', plcLink: 'up', buffer: { mode: 'live', queuedMessages: 0 } },
})

/** By the construct's name. */
function functionName(id: string): string {
  const found = functionResources(assembly).filter(({ logicalId }) => logicalId.slice(0, -8) === id)
  expect(found).toHaveLength(1)
  return String(assembly.ref(found[0]!))
}
