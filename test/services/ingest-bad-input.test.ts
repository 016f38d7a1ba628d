import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { envelope, telemetry } from '../helpers/envelopes.ts'
import { startConsumer } from '../helpers/ingest.ts'
import { createGateway, createPlant, type TestPlant } from '../helpers/plant.ts'
import { sqsEvent } from '../helpers/sqs.ts'

let consumer: Awaited<ReturnType<typeof startConsumer>>
let plant: TestPlant
let other: TestPlant

beforeAll(async () => {
  consumer = await startConsumer('ingest')
  plant = await createPlant(consumer.database.master, 'bad-input')
  other = await createPlant(consumer.database.master, 'bad-input-neighbour')
  await consumer.database.master.query(
    `insert into machines (id, tenant_id, plant_id, slug, status, created_at, updated_at)
     values ($1, $2, $3, 'scrapped', 'retired', 0, 0)`,
    [uuid(), plant.tenantId, plant.plantId],
  )
})
afterAll(() => consumer.stop())

const now = Date.now()
const week = 7 * 86_400_000
const topicOf = (change: Partial<TestPlant>) => {
  const { tenant, province, plant: slug } = { ...plant, ...change }
  return `factory/${tenant}/${province}/${slug}/press/telemetry`
}
const manyTags = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`tag${index}`, index]))

const cases: [string, string, () => string][] = [
  ['a body that is not JSON', 'invalid_envelope', () => 'not json'],
  ['an envelope without payload', 'invalid_envelope', () => JSON.stringify({ topic: topicOf({}) })],
  [
    'base64 that is not',
    'invalid_envelope',
    () => telemetry(plant, 'press', {}).replace('"payload":"', '"payload":"%'),
  ],
  ['a payload that is not JSON', 'invalid_json', () => telemetry(plant, 'press', {}, { payload: 'temperature=71' })],
  [
    'a payload that is not UTF-8',
    'invalid_json',
    () => telemetry(plant, 'press', {}, { payload: new Uint8Array([0xff, 0xfe]) }),
  ],
  [
    'NaN',
    'invalid_json',
    () => telemetry(plant, 'press', {}, { payload: '{"schemaVersion":1,"timestamp":1,"seq":1,"values":{"a":NaN}}' }),
  ],
  [
    'a number beyond a double',
    'invalid_payload',
    () =>
      telemetry(
        plant,
        'press',
        {},
        { payload: `{"schemaVersion":1,"timestamp":${Date.now()},"seq":1,"values":{"a":1e999}}` },
      ),
  ],
  ['another schemaVersion', 'unsupported_schema_version', () => telemetry(plant, 'press', { schemaVersion: 2 })],
  ['no schemaVersion', 'invalid_payload', () => telemetry(plant, 'press', { schemaVersion: undefined })],
  ['an array', 'invalid_payload', () => telemetry(plant, 'press', {}, { payload: '[]' })],
  ['300 tags', 'invalid_payload', () => telemetry(plant, 'press', { values: manyTags(300) })],
  ['no tags', 'invalid_payload', () => telemetry(plant, 'press', { values: {} })],
  ['a key with a space', 'invalid_payload', () => telemetry(plant, 'press', { values: { 'a b': 1 } })],
  ['a NUL character in a value', 'invalid_payload', () => telemetry(plant, 'press', { values: { a: 'x\u0000' } })],
  [
    'a lone surrogate in a value',
    'invalid_payload',
    () =>
      telemetry(
        plant,
        'press',
        {},
        { payload: `{"schemaVersion":1,"timestamp":${Date.now()},"seq":1,"values":{"a":"\\ud800"}}` },
      ),
  ],
  ['seq -1', 'invalid_payload', () => telemetry(plant, 'press', { seq: -1 })],
  ['seq 2^53', 'invalid_payload', () => telemetry(plant, 'press', { seq: 2 ** 53 })],
  ['seven segments', 'invalid_topic', () => telemetry(plant, 'press', {}, { topic: topicOf({}) + '/more' })],
  [
    'control characters in the topic',
    'invalid_topic',
    () => telemetry(plant, 'press', {}, { topic: 'factory/\u0001\ud800/x' }),
  ],
  [
    'an unknown tenant',
    'unknown_tenant',
    () => telemetry(plant, 'press', {}, { topic: topicOf({ tenant: 'nobody' }) }),
  ],
  ['an unknown plant', 'unknown_plant', () => telemetry(plant, 'press', {}, { topic: topicOf({ plant: 'nowhere' }) })],
  [
    'a plant of another province',
    'unknown_plant',
    () => telemetry(plant, 'press', {}, { topic: topicOf({ province: 'sf' }) }),
  ],
  [
    'the plant of another tenant',
    'unknown_plant',
    () => telemetry(plant, 'press', {}, { topic: topicOf({ plant: other.plant }) }),
  ],
  [
    'the topic of another tenant',
    'client_topic_mismatch',
    () => telemetry(plant, 'press', {}, { topic: topicOf(other) }),
  ],
  ['a machine that is retired', 'machine_retired', () => telemetry(plant, 'scrapped', {})],
  ['an unknown gateway', 'unknown_gateway', () => telemetry(plant, 'press', {}, { clientId: 'stranger' })],
  ['a time in 1970', 'timestamp_too_old', () => telemetry(plant, 'press', { timestamp: 1_000 })],
  [
    'a time before the hot days',
    'timestamp_too_old',
    () => telemetry(plant, 'press', { timestamp: Date.now() - 40 * 86_400_000 }),
  ],
  ['a time next week', 'timestamp_in_future', () => telemetry(plant, 'press', { timestamp: Date.now() + week })],
  [
    'a broker whose clock is next week',
    'timestamp_in_future',
    () => telemetry(plant, 'press', { timestamp: Date.now() + week }, { receivedAt: Date.now() + week }),
  ],
]

test.each(cases)('%s: %s, neighbours are stored', async (name, code, body) => {
  const bad = body()
  const machine = `neighbour-${cases.findIndex(([one]) => one === name)}`
  const good = [1, 2].map((seq) => telemetry(plant, machine, { seq }))

  const answer = await consumer.handle(sqsEvent([good[0]!, bad, good[1]!]))

  expect(answer).toEqual({ batchItemFailures: [] })
  const [letter, ...more] = await consumer.queues.drain('dead-letters')
  expect(more).toEqual([])
  expect(letter?.Body).toBe(bad)
  expect(letter?.MessageAttributes?.['errorCode']?.StringValue).toBe(code)
  expect(letter?.MessageAttributes?.['errorMessage']?.StringValue).not.toBe('')
  expect(await storedSeqs(machine)).toEqual([1, 2])
})

test('a dead letter says where it came from', async () => {
  const receivedAt = Date.now() - 5_000
  const event = sqsEvent([telemetry(plant, 'press', { seq: -1 }, { receivedAt })])
  await consumer.handle(event)
  const [letter] = await consumer.queues.drain('dead-letters')
  const attributes = Object.entries(letter!.MessageAttributes!).map(([key, { StringValue }]) => [key, StringValue])
  expect(Object.fromEntries(attributes)).toEqual({
    errorCode: 'invalid_payload',
    errorMessage: expect.stringContaining('seq: ') as string,
    topic: topicOf({}),
    tenant: plant.tenant,
    receivedAt: String(receivedAt),
    messageId: event.Records[0]!.messageId,
  })
})

test('a refused message creates no machine, a gateway of another plant of the tenant is a mismatch', async () => {
  const sibling = { ...plant, plantId: uuid(), plant: 'sibling' }
  await consumer.database.master.query(
    `insert into plants (id, tenant_id, province, slug, name, time_zone, created_at, updated_at) values ($1, $2, 'ba', 'sibling', 's', 'UTC', 0, 0)`,
    [sibling.plantId, sibling.tenantId],
  )
  const thingName = 'bad-input-gateway-of-sibling'
  await createGateway(consumer.database.master, { ...sibling, gatewayId: uuid(), thingName })
  const bodies = [
    telemetry({ ...plant, thingName }, 'ghost', {}),
    telemetry(plant, 'ghost', { timestamp: 1_000 }),
    envelope({ topic: topicOf({ plant: 'sibling' }), clientId: plant.thingName, payload: '{}' }),
  ]
  await consumer.handle(sqsEvent(bodies))
  const letters = await consumer.queues.drain('dead-letters')
  expect(letters.map((letter) => letter.MessageAttributes!['errorCode']!.StringValue).toSorted()).toEqual([
    'client_topic_mismatch',
    'invalid_payload',
    'timestamp_too_old',
  ])
  const { rows } = await consumer.database.master.query('select slug from machines where slug = $1', ['ghost'])
  expect(rows).toEqual([])
})

test.each([undefined, ''])('a record whose body is %j is refused, neighbours are stored', async (body) => {
  const machine = `neighbour-of-${String(body)}-body`.replace('--', '-')
  const event = sqsEvent([telemetry(plant, machine, { seq: 1 }), '', telemetry(plant, machine, { seq: 2 })])
  Object.assign(event.Records[1]!, { body })
  expect(await consumer.handle(event)).toEqual({ batchItemFailures: [] })
  const [letter, ...more] = await consumer.queues.drain('dead-letters')
  expect(more).toEqual([])
  expect(letter?.Body).toBe(' ')
  expect(letter?.MessageAttributes?.['errorCode']?.StringValue).toBe('invalid_envelope')
  expect(await storedSeqs(machine)).toEqual([1, 2])
})

test('a batch of 1,000 messages that are all refused, each with its own code', async () => {
  const bodies = Array.from({ length: 1000 }, (_, index) => cases[index % cases.length]!)
  const batch = bodies.map(([, code, body], index) => [`${body()}${' '.repeat(index)}`, code] as const)
  expect(await consumer.handle(sqsEvent(batch.map(([body]) => body)))).toEqual({ batchItemFailures: [] })
  const letters = await consumer.queues.drain('dead-letters')
  const refused = letters.map(({ Body, MessageAttributes }) => [Body, MessageAttributes!['errorCode']!.StringValue])
  expect(refused.toSorted()).toEqual(batch.toSorted())
})

test('a batch of 1,000 messages that contradict what is stored', async () => {
  const body = (seq: number, value: number) =>
    telemetry(plant, 'contradicted', { seq, timestamp: now, values: { value } })
  const seqs = Array.from({ length: 1000 }, (_, seq) => seq)
  expect(await consumer.handle(sqsEvent(seqs.map((seq) => body(seq, 1))))).toEqual({ batchItemFailures: [] })
  const contradictions = seqs.map((seq) => body(seq, 2))
  expect(await consumer.handle(sqsEvent(contradictions))).toEqual({ batchItemFailures: [] })
  const letters = await consumer.queues.drain('dead-letters')
  expect(letters.map(({ Body }) => Body).toSorted()).toEqual(contradictions.toSorted())
  expect(new Set(letters.map((letter) => letter.MessageAttributes!['errorCode']!.StringValue))).toEqual(
    new Set(['seq_conflict']),
  )
})

test('a tenant that is removed while its gateway publishes: refused within a minute, what is stored stays', async () => {
  const removed = await createPlant(consumer.database.master, 'bad-input-removed')
  const setRemoved = (at: number | null) =>
    consumer.database.master.query('update tenants set disabled_at = $2 where id = $1', [removed.tenantId, at])
  const send = async (seq: number) => {
    const neighbour = telemetry(plant, 'beside-removed', { seq })
    expect(await consumer.handle(sqsEvent([telemetry(removed, 'leaving', { seq }), neighbour]))).toEqual({
      batchItemFailures: [],
    })
    return (await consumer.queues.drain('dead-letters')).map((one) => one.MessageAttributes!['errorCode']!.StringValue)
  }
  expect(await send(1)).toEqual([])
  await setRemoved(Date.now())
  try {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 })
    expect(await send(2)).toEqual(['unknown_tenant'])
  } finally {
    vi.useRealTimers()
  }
  await setRemoved(null)
  expect(await send(3)).toEqual([])
  expect(await storedSeqs('leaving')).toEqual([1, 3])
  expect(await storedSeqs('beside-removed')).toEqual([1, 2, 3])
})

test('a gateway that is deleted while it publishes: its new machine, and its neighbours, are not held up', async () => {
  const thingName = 'bad-input-gateway-deleted'
  const leaving = { ...plant, thingName, gatewayId: uuid() }
  await createGateway(consumer.database.master, leaving)
  expect(await consumer.handle(sqsEvent([telemetry(leaving, 'of-deleted', { seq: 1 })]))).toEqual({
    batchItemFailures: [],
  })
  await consumer.database.master.query('delete from gateways where id = $1', [leaving.gatewayId])
  const bodies = [telemetry(leaving, 'new-of-deleted', {}), telemetry(plant, 'beside-deleted', {})]
  expect(await consumer.handle(sqsEvent(bodies))).toEqual({ batchItemFailures: [] })
  expect(await storedSeqs('beside-deleted')).toEqual([1])
  expect(await storedSeqs('new-of-deleted')).toEqual([1])
})

async function storedSeqs(machine: string): Promise<number[]> {
  const { rows } = await consumer.database.master.query<{ seq: number }>(
    'select e.seq from telemetry_events e join machines m on m.id = e.machine_id where m.slug = $1 order by e.seq',
    [machine],
  )
  return rows.map((row) => row.seq)
}
