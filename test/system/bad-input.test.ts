import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import { connectAsync, type MqttClient } from 'mqtt'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import type { QueueEnvelope } from '../../schemas/queues.ts'
import { enrolGateway, type TestGateway } from '../helpers/gateway-process.ts'

const endpoints = inject('endpoints')
const folder = mkdtempSync(join(tmpdir(), 'bad-input-'))
const sqs = new SQSClient({
  endpoint: endpoints.sqs.url,
  region: endpoints.sqs.region,
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
})
const database = new pg.Client({ connectionString: endpoints.postgres.url })

let gateway: TestGateway
let mqtt: MqttClient

beforeAll(async () => {
  gateway = await enrolGateway(endpoints, {
    tenant: 'granix',
    plant: 'planta-baradero',
    folder,
    devices: '  - { name: none, driver: modbus-tcp, host: 127.0.0.1, port: 1, unitId: 1 }',
    machines: '  - { slug: none, device: none, intervalMs: 60000, tags: { a: { address: "coil:0" } } }',
  })
  const file = (name: string) => readFileSync(join(gateway.dataDir, 'identity', name))
  mqtt = await connectAsync(`mqtts://${endpoints.mqtt.host}:${endpoints.mqtt.port}`, {
    clientId: gateway.thingName,
    protocolVersion: 4,
    ca: file('ca.pem'),
    cert: file('certificate.pem'),
    key: file('private-key.pem'),
  })
  await database.connect()
})
afterAll(async () => {
  await mqtt.endAsync()
  await database.end()
  sqs.destroy()
  rmSync(folder, { recursive: true, force: true })
})

const topicOf = (machine: string) => `factory/granix/ba/planta-baradero/${machine}/telemetry`
const now = () => Date.now()
const reading = () => ({ schemaVersion: 1, timestamp: now(), seq: 1, values: { a: 1 } })

interface DeadLetter {
  code: string
  message: string
  tenant: string | null
  body: Buffer
}

/** The one row of quarantine that has this topic. */
async function deadLetterOf(topic: string): Promise<DeadLetter> {
  return vi.waitFor(async () => {
    const { rows } = await database.query<DeadLetter>(
      `select q.code, q.message, t.slug as tenant, q.body from quarantine q left join tenants t on t.id = q.tenant_id
       where q.topic = $1`,
      [topic],
    )
    expect(rows).toHaveLength(1)
    return rows[0]!
  }, 15_000)
}

async function expectStored(machine: string) {
  await vi.waitFor(async () => {
    const { rowCount } = await database.query(
      'select 1 from telemetry_events e join machines m on m.id = e.machine_id where m.slug = $1',
      [machine],
    )
    expect(rowCount).toBe(1)
  }, 10_000)
}

describe('what a gateway publishes wrongly ends in quarantine with its code, untouched, and its neighbours are stored', () => {
  it.each([
    ['not-json', () => Buffer.from([0xff, 0x00, 0x7b]), 'invalid_json'],
    ['not-v1', () => ({ ...reading(), schemaVersion: 2 }), 'unsupported_schema_version'],
    ['nan', () => Buffer.from(`{"schemaVersion":1,"timestamp":${now()},"seq":1,"values":{"a":NaN}}`), 'invalid_json'],
    [
      'tags',
      () => ({ ...reading(), values: Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`t${i}`, i])) }),
      'invalid_payload',
    ],
    ['key', () => ({ ...reading(), values: { 'a b': 1 } }), 'invalid_payload'],
    ['seq-negative', () => ({ ...reading(), seq: -1 }), 'invalid_payload'],
    [
      'seq-huge',
      () => Buffer.from(`{"schemaVersion":1,"timestamp":${now()},"seq":9007199254740992,"values":{"a":1}}`),
      'invalid_payload',
    ],
    ['in-1970', () => ({ ...reading(), timestamp: 1 }), 'timestamp_too_old'],
    ['next-week', () => ({ ...reading(), timestamp: now() + 7 * 86_400_000 }), 'timestamp_in_future'],
  ])('%s', async (machine, payload, code) => {
    const made = payload()
    const bytes = Buffer.isBuffer(made) ? made : Buffer.from(JSON.stringify(made))
    await mqtt.publishAsync(topicOf(machine), bytes, { qos: 1 })
    await mqtt.publishAsync(topicOf(`beside-${machine}`), JSON.stringify(reading()), { qos: 1 })

    const letter = await deadLetterOf(topicOf(machine))
    expect(letter).toMatchObject({ code, tenant: 'granix' })
    expect(letter.message).not.toBe('')
    const envelope = JSON.parse(letter.body.toString()) as QueueEnvelope
    expect(Buffer.from(envelope.payload, 'base64')).toEqual(bytes)
    expect(envelope.clientId).toBe(gateway.thingName)
    await expectStored(`beside-${machine}`)
  })
})

it('a reading that its gateway has kept for an hour is stored, by the queue of late ones, beside a live one', async () => {
  const kept = { ...reading(), timestamp: now() - 3_600_000 }
  await mqtt.publishAsync(topicOf('kept-an-hour'), JSON.stringify(kept), { qos: 1 })
  await mqtt.publishAsync(topicOf('not-kept'), JSON.stringify(reading()), { qos: 1 })
  await Promise.all([expectStored('kept-an-hour'), expectStored('not-kept')])
})

describe('what can only come from elsewhere than the broker', () => {
  const envelope = (topic: string): QueueEnvelope => ({
    payload: Buffer.from(JSON.stringify(reading())).toString('base64'),
    topic,
    clientId: gateway.thingName,
    receivedAt: now(),
    traceId: 'test',
  })

  it.each([
    ['factory/granix/ba/planta-baradero/a/b/telemetry', 'invalid_topic', 'granix'],
    ['factory/nobody/ba/planta-baradero/pump/telemetry', 'unknown_tenant', null],
    ['factory/granix/ba/no-plant/pump/telemetry', 'unknown_plant', 'granix'],
    ['factory/norpan/sf/planta-rosario/pump/telemetry', 'client_topic_mismatch', 'norpan'],
    ['factory/granix/cb/planta-cordoba/pump/telemetry', 'client_topic_mismatch', 'granix'],
  ])('%s', async (topic, code, tenant) => {
    const body = JSON.stringify(envelope(topic))
    await sqs.send(new SendMessageCommand({ QueueUrl: endpoints.sqs.queues.telemetry, MessageBody: body }))
    const letter = await deadLetterOf(topic)
    expect(letter).toMatchObject({ code, tenant })
    expect(letter.body.toString()).toBe(body)
  })
})
