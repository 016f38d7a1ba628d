import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import { connectAsync, type MqttClient } from 'mqtt'
import pg from 'pg'
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest'
import type { AdminAnswer, AdminCommand } from '../../schemas/admin.ts'
import type { DeadLetterPage } from '../../schemas/api.ts'
import { type ApiClient, signIn } from '../helpers/api-client.ts'
import { enrolGateway, type TestGateway } from '../helpers/gateway-process.ts'

const COMPANY = { tenant: 'molino', province: 'ba', plant: 'planta-uno' }
const ADMIN = { email: 'admin@molino.example', password: 'molino-2026' }

const given = inject('endpoints')
const endpoints = {
  ...given,
  users: [...given.users, { tenant: COMPANY.tenant, role: 'admin' as const, plantAccess: 'all' as const, ...ADMIN }],
}
const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
const lambda = new LambdaClient({ endpoint: endpoints.lambda.url, region: endpoints.sqs.region, credentials })
const sqs = new SQSClient({ endpoint: endpoints.sqs.url, region: endpoints.sqs.region, credentials })
const database = new pg.Client({ connectionString: endpoints.postgres.url })
const folder = mkdtempSync(join(tmpdir(), 'dead-letters-'))

let gateway: TestGateway
let mqtt: MqttClient
let api: ApiClient

async function invoke(FunctionName: string, event: unknown = {}): Promise<unknown> {
  const Payload = Buffer.from(JSON.stringify(event))
  const answer = await lambda.send(new InvokeCommand({ FunctionName, Payload }))
  const text = answer.Payload!.transformToString()
  if (answer.FunctionError !== undefined) throw new Error(text)
  return JSON.parse(text)
}
const admin = (command: AdminCommand) => invoke('iot-telemetry-dev-admin', command) as Promise<AdminAnswer>
/** At once, instead of within a minute. */
const redriveNow = () => invoke('iot-telemetry-dev-redrive')
const list = async (query = '') => ((await api.get(`/dead-letters${query}`)) as DeadLetterPage).items

beforeAll(async () => {
  await database.connect()
  await admin({ command: 'tenant create', slug: COMPANY.tenant, name: 'Molino' })
  const { tenant, province, plant: slug } = COMPANY
  await admin({ command: 'plant create', tenant, province, slug, name: 'Uno', timeZone: 'UTC' })
  await admin({ command: 'user invite', tenant, ...ADMIN, role: 'admin', plants: 'all' })
  api = await signIn(endpoints, ADMIN.email)
  gateway = await enrolGateway(endpoints, {
    ...COMPANY,
    folder,
    devices: '  - { name: none, driver: modbus-tcp, host: 127.0.0.1, port: 1, unitId: 1 }',
    machines: '  - { slug: none, device: none, intervalMs: 60000, tags: { a: { address: "coil:0" } } }',
  })
  const file = (name: string) => readFileSync(join(gateway.dataDir, 'identity', name))
  mqtt = await connectAsync(`mqtts://${endpoints.mqtt.host}:${endpoints.mqtt.port}`, {
    ...{ clientId: gateway.thingName, protocolVersion: 4 },
    ...{ ca: file('ca.pem'), cert: file('certificate.pem'), key: file('private-key.pem') },
  })
})
afterAll(async () => {
  await mqtt.endAsync()
  await database.end()
  sqs.destroy()
  lambda.destroy()
  rmSync(folder, { recursive: true, force: true })
})

const reading = (seq: number) => JSON.stringify({ schemaVersion: 1, timestamp: Date.now(), seq, values: { a: seq } })
const topicOf = (machine: string) => `factory/molino/ba/planta-uno/${machine}/telemetry`

async function storedSeqs(machine: string): Promise<number[]> {
  const { rows } = await database.query<{ seq: string }>(
    'select e.seq from telemetry_events e join machines m on m.id = e.machine_id where m.slug = $1 order by e.seq',
    [machine],
  )
  return rows.map((row) => Number(row.seq))
}

it('a reading that was refused over MQTT is redriven by the company’s admin when the cause is gone, and stored', async () => {
  // The plant that the gateway speaks for is not there.
  await database.query(`update plants set slug = 'not-yet' where slug = $1`, [COMPANY.plant])
  const payload = reading(1)
  await mqtt.publishAsync(topicOf('molino-1'), payload, { qos: 1 })
  const [letter] = await vi.waitFor(async () => {
    const items = await list('?machine=molino-1')
    expect(items).toHaveLength(1)
    return items
  }, 15_000)
  expect(letter).toMatchObject({
    ...{ code: 'unknown_plant', topic: topicOf('molino-1'), machine: 'molino-1', thingName: gateway.thingName },
    ...{ text: payload, hex: Buffer.from(payload).toString('hex'), bytes: payload.length, redriveAt: null },
  })

  // Redriven too early it is refused again, and a new row.
  expect(await api.post('/dead-letters/redrive', { ids: [letter!.id] })).toEqual({ accepted: 1 })
  await redriveNow()
  const again = await vi.waitFor(async () => {
    const items = await list('?machine=molino-1')
    expect(items.map((item) => item.id)).not.toContain(letter!.id)
    expect(items).toHaveLength(1)
    return items[0]!
  }, 15_000)
  expect(again).toMatchObject({ code: 'unknown_plant', receivedAt: letter!.receivedAt, text: payload })

  await database.query(`update plants set slug = $1 where slug = 'not-yet'`, [COMPANY.plant])
  expect(await api.post('/dead-letters/redrive', { code: 'unknown_plant' })).toEqual({ accepted: 1 })
  await redriveNow()
  await vi.waitFor(async () => expect(await storedSeqs('molino-1')).toEqual([1]), 15_000)
  expect(await list('?machine=molino-1')).toEqual([])
})

it('what a rule could not deliver is redriven as if it had', async () => {
  const failures = [{ failedAction: 'SqsAction', failedResource: 'telemetry', errorMessage: 'gone' }]
  const error = {
    ruleName: 'telemetry',
    topic: topicOf('molino-2'),
    cloudwatchTraceId: 't',
    clientId: gateway.thingName,
  }
  const body = { ...error, base64OriginalPayload: Buffer.from(reading(7)).toString('base64'), failures }
  const QueueUrl = endpoints.sqs.queues.ruleErrors
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify(body) }))
  const [letter] = await vi.waitFor(async () => {
    const items = await list('?code=delivery_failed')
    expect(items).toHaveLength(1)
    return items
  }, 15_000)
  await api.post('/dead-letters/redrive', { ids: [letter!.id] })
  await redriveNow()
  await vi.waitFor(async () => expect(await storedSeqs('molino-2')).toEqual([7]), 15_000)
  expect(await list()).toEqual([])
})

it('a topic of no tenant is for the platform team, who redrives it when the tenant is there', async () => {
  const topic = 'factory/harinera/ba/planta-uno/press/telemetry'
  const payload = Buffer.from(reading(1)).toString('base64')
  const envelope = { payload, topic, clientId: gateway.thingName, receivedAt: Date.now(), traceId: 'test' }
  const QueueUrl = endpoints.sqs.queues.telemetry
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify(envelope) }))
  const found = await vi.waitFor(async () => {
    const answer = await admin({ command: 'dead-letter list', code: 'unknown_tenant' })
    const item = answer.status === 'listed' ? answer.items.find((one) => one.topic === topic) : undefined
    expect(item).toBeDefined()
    return item!
  }, 15_000)
  expect(await list()).toEqual([])
  await admin({ command: 'tenant create', slug: 'harinera', name: 'Harinera' })
  expect(await admin({ command: 'dead-letter redrive', ids: [found.id] })).toMatchObject({ status: 'accepted' })
  await redriveNow()
  // The tenant is there now, and has no such plant: the refusal is its own from now on.
  await vi.waitFor(async () => {
    const { rows } = await database.query(
      'select q.code, t.slug from quarantine q left join tenants t on t.id = q.tenant_id where q.topic = $1',
      [topic],
    )
    expect(rows).toEqual([{ code: 'unknown_plant', slug: 'harinera' }])
  }, 15_000)
})

it('an admin discards one with a reason', async () => {
  await mqtt.publishAsync(topicOf('molino-3'), Buffer.from([0xff, 0x00]), { qos: 1 })
  const [letter] = await vi.waitFor(async () => {
    const items = await list('?machine=molino-3')
    expect(items).toHaveLength(1)
    return items
  }, 15_000)
  expect(letter).toMatchObject({ code: 'invalid_json', text: null, hex: 'ff00', bytes: 2 })
  const answer = await api.request('DELETE', `/dead-letters/${letter!.id}`, { reason: 'a test of the gateway' })
  expect(answer.status).toBe(200)
  expect(await list()).toEqual([])
})
