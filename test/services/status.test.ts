import { createClient } from 'redis'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { status } from '../helpers/envelopes.ts'
import { startConsumer } from '../helpers/ingest.ts'
import { createPlant, type TestPlant } from '../helpers/plant.ts'
import { sqsEvent } from '../helpers/sqs.ts'

let consumer: Awaited<ReturnType<typeof startConsumer>>
const redis = createClient({ url: inject('redisUrl') })
const listener = redis.duplicate()
const t0 = Date.now() - 60_000

beforeAll(async () => {
  consumer = await startConsumer('status')
  await Promise.all([redis.connect(), listener.connect()])
})
afterAll(async () => {
  redis.destroy()
  listener.destroy()
  await consumer.stop()
})

const newPlant = (name: string) => createPlant(consumer.database.master, name)

function online(plant: TestPlant, receivedAt: number, sessionId: string, clockBehindMs = 0, ledger?: unknown): string {
  const buffer = { mode: 'live', queuedMessages: 0 }
  const health = { internet: 'up', mqtt: 'up', plcLink: 'up', buffer }
  const gateway = { thingName: plant.thingName, version: '1.2.3', uptimeSec: 60 }
  const timestamp = receivedAt - clockBehindMs
  const payload = { schemaVersion: 1, timestamp, state: 'online', sessionId, gateway, health, ledger }
  return status(plant, payload, { receivedAt })
}

function offline(plant: TestPlant, receivedAt: number, sessionId?: string, reason = 'unexpected_disconnect'): string {
  return status(plant, { schemaVersion: 1, timestamp: 1, state: 'offline', reason, sessionId }, { receivedAt })
}

async function gatewayRow(plant: TestPlant) {
  const { rows } = await consumer.database.master.query<Record<string, unknown>>(
    `select lifecycle, connection, reason, session_id, status_at, last_seen_at, clock_skew_ms, status->'gateway'->>'version' as version
     from gateways where id = $1`,
    [plant.gatewayId],
  )
  return rows[0]
}

test('the first heartbeat makes the gateway active, measures its clock and is published', async () => {
  const plant = await newPlant('status-first')
  const events: unknown[] = []
  await listener.subscribe(`events:${plant.tenant}:${plant.plant}`, (text) => events.push(JSON.parse(text)))
  await redis.zAdd(`watchers:${plant.tenant}:${plant.plant}`, { score: Date.now() + 60_000, value: 'someone' })

  expect(await consumer.handle(sqsEvent([online(plant, t0, 's1', 2_500)]))).toEqual({ batchItemFailures: [] })

  expect(await gatewayRow(plant)).toEqual({
    lifecycle: 'active',
    connection: 'online',
    reason: null,
    session_id: 's1',
    status_at: t0,
    last_seen_at: t0,
    clock_skew_ms: 2_500,
    version: '1.2.3',
  })
  const cached = await redis.hGet(`gateways:${plant.tenant}:${plant.plant}`, plant.thingName)
  expect(JSON.parse(cached!)).toMatchObject({ connection: 'online', clockSkewMs: 2_500, health: { plcLink: 'up' } })
  await expect.poll(() => events).toMatchObject([{ type: 'status', state: 'online', thingName: plant.thingName }])
  const [item] = await consumer.queues.drain('fan-out.fifo')
  expect(JSON.parse(item!.Body!)).toEqual({ tenant: plant.tenant, plant: plant.plant })
  expect(await redis.sMembers(`changed-gateways:${plant.tenant}:${plant.plant}`)).toEqual([plant.thingName])
})

test('messages of one batch are applied in the order of the broker, not of the queue', async () => {
  const plant = await newPlant('status-order')
  const bodies = [offline(plant, t0 + 3_000, 's1'), online(plant, t0 + 2_000, 's1'), online(plant, t0 + 1_000, 's1')]
  await consumer.handle(sqsEvent(bodies))
  expect(await gatewayRow(plant)).toMatchObject({
    connection: 'offline',
    reason: 'unexpected_disconnect',
    status_at: t0 + 3_000,
    last_seen_at: t0 + 2_000,
  })
})

test('an older message that comes late changes nothing, in Postgres or Redis', async () => {
  const plant = await newPlant('status-late')
  await consumer.handle(sqsEvent([online(plant, t0 + 5_000, 's1')]))
  await consumer.handle(sqsEvent([offline(plant, t0 + 4_000, 's1', 'shutdown')]))
  expect(await gatewayRow(plant)).toMatchObject({ connection: 'online', status_at: t0 + 5_000 })
  const cached = await redis.hGet(`gateways:${plant.tenant}:${plant.plant}`, plant.thingName)
  expect(JSON.parse(cached!)).toMatchObject({ connection: 'online' })
})

test('the will of a session that was taken over is ignored, that of the current session is not', async () => {
  const plant = await newPlant('status-will')
  await consumer.handle(sqsEvent([online(plant, t0, 'old')]))
  await consumer.handle(sqsEvent([online(plant, t0 + 1_000, 'new'), offline(plant, t0 + 1_500, 'old')]))
  expect(await gatewayRow(plant)).toMatchObject({ connection: 'online', session_id: 'new', status_at: t0 + 1_000 })
  await consumer.handle(sqsEvent([offline(plant, t0 + 2_000, 'new')]))
  expect(await gatewayRow(plant)).toMatchObject({ connection: 'offline', reason: 'unexpected_disconnect' })
  await consumer.handle(sqsEvent([online(plant, t0 + 3_000, 'newer')]))
  expect(await gatewayRow(plant)).toMatchObject({ connection: 'online', reason: null, session_id: 'newer' })
})

test('what cannot be accepted goes to the dead letters, neighbours are applied', async () => {
  const plant = await newPlant('status-bad')
  const bad: [string, string][] = [
    ['client_topic_mismatch', online(plant, t0, 's').replace(`"clientId":"${plant.thingName}"`, '"clientId":"other"')],
    ['invalid_payload', status(plant, { schemaVersion: 1, timestamp: t0, state: 'asleep' })],
    ['invalid_topic', status(plant, {}, { topic: `ops/${plant.tenant}/ba/${plant.plant}/gateway/status` })],
    ['unknown_gateway', online({ ...plant, thingName: 'stranger' }, t0, 's')],
    ['unknown_plant', online({ ...plant, plant: 'nowhere' }, t0, 's')],
    ['unknown_tenant', online({ ...plant, tenant: 'nobody' }, t0, 's')],
    ['unsupported_schema_version', status(plant, { schemaVersion: '2' })],
  ]
  await consumer.handle(sqsEvent([...bad.map(([, body]) => body), online(plant, t0, 's')]))
  const letters = await consumer.queues.drain('dead-letters')
  const received = letters.map((letter) => [letter.MessageAttributes!['errorCode']!.StringValue!, letter.Body!])
  expect(received.toSorted()).toEqual(bad.toSorted())
  expect(await gatewayRow(plant)).toMatchObject({ connection: 'online' })
})

test('what a heartbeat declares of its machines is remembered, also when it comes late', async () => {
  const plant = await newPlant('status-ledger')
  await consumer.database.master.query(
    `insert into machines (id, tenant_id, plant_id, slug, created_at, updated_at) values (gen_random_uuid(), $1, $2, 'pump-1', 0, 0)`,
    [plant.tenantId, plant.plantId],
  )
  const beat = (at: number, last: number, pending: [number, number][]) =>
    online(plant, at, 's1', 0, { 'pump-1': { first: 100, last, dropped: [[101, 102]], pending } })
  await consumer.handle(sqsEvent([beat(t0 + 10_000, 120, [[119, 120]])]))
  await consumer.handle(sqsEvent([beat(t0, 110, [[105, 110]]), online(plant, t0 + 5_000, 's1')]))
  const { rows } = await consumer.database.master.query(
    `select first, last, dropped::text, pending::text, since, heard_at from declared_ranges where gateway_id = $1`,
    [plant.gatewayId],
  )
  const ranges = { first: 100, last: 120, dropped: '{[101,103)}', pending: '{[119,121)}' }
  expect(rows).toEqual([{ ...ranges, since: t0, heard_at: t0 + 10_000 }])
})

test('a ledger that contradicts itself is refused with its heartbeat, and the reason is told', async () => {
  const plant = await newPlant('status-bad-ledger')
  const body = online(plant, t0, 's1', 0, { 'pump-1': { first: 100, last: 99, dropped: [] } })
  expect(await consumer.handle(sqsEvent([body]))).toEqual({ batchItemFailures: [] })
  const [letter] = await consumer.queues.drain('dead-letters')
  expect(letter!.Body).toBe(body)
  expect(letter!.MessageAttributes!['errorCode']!.StringValue).toBe('invalid_payload')
  expect(letter!.MessageAttributes!['errorMessage']!.StringValue).toContain('first <= last')
})

test('a connection that Postgres ends is a batch item failure, and a success when it comes again', async () => {
  const plant = await newPlant('status-away')
  await consumer.database.letIn(false)
  const event = sqsEvent([online(plant, t0, 's1')])
  expect(await consumer.handle(event)).toEqual({ batchItemFailures: [{ itemIdentifier: event.Records[0]!.messageId }] })
  await consumer.database.letIn(true)
  expect(await consumer.handle(event)).toEqual({ batchItemFailures: [] })
  expect(await gatewayRow(plant)).toMatchObject({ connection: 'online' })
})
