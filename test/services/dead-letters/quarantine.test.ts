import { ChangeMessageVisibilityCommand, ReceiveMessageCommand, SetQueueAttributesCommand } from '@aws-sdk/client-sqs'
import fc from 'fast-check'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DeadLetters, recordOf, startDeadLetters } from '../../helpers/dead-letters.ts'
import { envelope, status, telemetry } from '../../helpers/envelopes.ts'
import { createPlant, type TestPlant } from '../../helpers/plant.ts'

let letters: DeadLetters
let plant: TestPlant

beforeAll(async () => {
  letters = await startDeadLetters()
  plant = await createPlant(letters.database.master, 'quarantine')
})
afterAll(() => letters.stop())

interface Row {
  message_id: string
  body: Buffer
  payload_head: Buffer
  [column: string]: unknown
}

async function rows(where = 'true', values: unknown[] = []): Promise<Row[]> {
  const { rows: found } = await letters.database.master.query<Row>(
    `select * from quarantine where ${where} order by id`,
    values,
  )
  return found
}

/** The row that this message becomes. */
async function quarantined(...sent: Parameters<DeadLetters['send']>): Promise<Row> {
  await letters.send(...sent)
  const event = await letters.deliver(sent[0] as 'rule-errors')
  expect(event.Records).toHaveLength(1)
  const found = await rows('message_id = $1', [event.Records[0]!.messageId])
  expect(found).toHaveLength(1)
  return found[0]!
}

const refusedAs = (errorCode: string) => ({ errorCode, errorMessage: `it is ${errorCode}` })

test('a refused reading is a row of its tenant and plant, its body byte for byte', async () => {
  const receivedAt = Date.now() - 60_000
  const payload = new Uint8Array([0x00, 0xff, 0xfe, 0x7b])
  const body = telemetry(plant, 'press', {}, { payload, receivedAt })
  const before = Date.now()
  const row = await quarantined('telemetry-dead-letters', body, refusedAs('invalid_json'))
  expect(row).toMatchObject({
    ...{ tenant_id: plant.tenantId, plant_id: plant.plantId, queue: 'telemetry', redrive_at: null },
    ...{ code: 'invalid_json', message: 'it is invalid_json', machine: 'press', thing_name: plant.thingName },
    topic: `factory/${plant.tenant}/ba/${plant.plant}/press/telemetry`,
    ...{ received_at: receivedAt, payload_bytes: 4 },
  })
  expect(row['quarantined_at']).toBeGreaterThanOrEqual(before)
  expect(row.body.toString()).toBe(body)
  expect([...row.payload_head]).toEqual([...payload])
  expect(await letters.queues.drain('telemetry-dead-letters')).toEqual([])
})

test('a refused heartbeat goes back to the queue of statuses', async () => {
  const body = status(plant, { schemaVersion: 7 })
  const row = await quarantined('status-dead-letters', body, refusedAs('unsupported_schema_version'))
  expect(row).toMatchObject({ queue: 'status', tenant_id: plant.tenantId, plant_id: plant.plantId, machine: null })
  expect(row.body.toString()).toBe(body)
})

test.each([
  ['an unknown tenant', 'factory/nobody/ba/mill/press/telemetry', 'none'],
  ['no tenant at all', 'factory', 'none'],
  ['something else than machines and gateways', 'elsewhere/quarantine/ba/mill/press/telemetry', 'none'],
  ['an unknown plant', 'factory/quarantine/ba/mill/press/telemetry', 'tenant'],
  ['the plant in another province', 'factory/quarantine/sf/quarantine-mill/press/telemetry', 'tenant'],
  ['too many places', 'factory/quarantine/ba/quarantine-mill/press/x/telemetry', 'plant'],
])('a topic of %s: what is known of its place', async (_, topic, known) => {
  const body = envelope({ topic, clientId: 'gw' })
  expect(await quarantined('telemetry-dead-letters', body, refusedAs('invalid_topic'))).toMatchObject({
    topic,
    tenant_id: known === 'none' ? null : plant.tenantId,
    plant_id: known === 'plant' ? plant.plantId : null,
  })
})

test('a body that is no envelope belongs to nobody, and is its own payload', async () => {
  const row = await quarantined('telemetry-dead-letters', 'no envelope: ñ', refusedAs('invalid_envelope'))
  expect(row).toMatchObject({ tenant_id: null, topic: null, machine: null, thing_name: null, received_at: null })
  expect(row.payload_head.toString()).toBe('no envelope: ñ')
})

test('an envelope with a wrong payload tells what it can', async () => {
  const body = telemetry(plant, 'press', {}).replace('"payload":"', '"payload":"%')
  const row = await quarantined('telemetry-dead-letters', body, refusedAs('invalid_envelope'))
  expect(row).toMatchObject({ tenant_id: plant.tenantId, machine: 'press', thing_name: plant.thingName })
  expect(row.payload_head.toString()).toBe(body.slice(0, 1024))
})

test('what SQS itself gave up is quarantined too, as given_up', async () => {
  const { client, url } = letters.queues
  const [QueueUrl, deadLetterTargetArn] = [
    url('telemetry'),
    'arn:aws:sqs:us-east-1:000000000000:telemetry-dead-letters',
  ]
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 1 })
  await client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { RedrivePolicy } }))
  const body = telemetry(plant, 'press', {})
  await letters.send('telemetry', body)
  const { Messages: [message] = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl }))
  const { ReceiptHandle, MessageId } = message!
  await client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }))
  expect((await client.send(new ReceiveMessageCommand({ QueueUrl }))).Messages ?? []).toEqual([])

  await letters.deliver('telemetry-dead-letters')
  const [row] = await rows('message_id = $1', [MessageId])
  expect(row).toMatchObject({ code: 'given_up', tenant_id: plant.tenantId, machine: 'press' })
  expect(row!.body.toString()).toBe(body)
})

test('a message that came back and was refused again is one row: the second dead letter names the same message', async () => {
  const body = telemetry(plant, 'press', {})
  const reason = { ...refusedAs('invalid_json'), messageId: randomUUID() }
  const refuse = async () => {
    await letters.send('telemetry-dead-letters', body, reason)
    await letters.deliver('telemetry-dead-letters')
  }
  await refuse()
  await refuse()
  expect(await rows('message_id = $1', [reason.messageId])).toMatchObject([{ code: 'invalid_json' }])
  expect(await rows('body = $1', [Buffer.from(body)])).toHaveLength(1)
})

test('a rule’s failure is a row of the topic’s tenant, with the rules engine’s reason', async () => {
  const topic = `ops/${plant.tenant}/ba/${plant.plant}/gateway/${plant.thingName}/status`
  const body = JSON.stringify({
    ...{ ruleName: 'status', topic, cloudwatchTraceId: 'trace', clientId: plant.thingName },
    base64OriginalPayload: Buffer.from('{"a":1}').toString('base64'),
    failures: [{ failedAction: 'SqsAction', failedResource: 'status', errorMessage: 'The queue does not exist' }],
  })
  const before = Date.now()
  const row = await quarantined('rule-errors', body)
  expect(row).toMatchObject({
    ...{ code: 'delivery_failed', queue: 'status', topic, thing_name: plant.thingName },
    ...{ tenant_id: plant.tenantId, message: 'status: The queue does not exist' },
  })
  expect(row['received_at']).toBeGreaterThanOrEqual(before)
  expect(row.body.toString()).toBe(body)
  expect(row.payload_head.toString()).toBe('{"a":1}')
})

test('something else in the queue of rule errors is for the platform team', async () => {
  expect(await quarantined('rule-errors', '{"topic":"factory/quarantine/ba/x/y/telemetry"}')).toMatchObject({
    ...{ code: 'invalid_envelope', tenant_id: null, topic: null },
  })
})

test('a message that is delivered again is one row', async () => {
  await letters.send('telemetry-dead-letters', telemetry(plant, 'twice', {}), refusedAs('seq_conflict'))
  const event = await letters.deliver('telemetry-dead-letters')
  expect(await letters.handle(event)).toEqual({ batchItemFailures: [] })
  expect(await rows(`machine = 'twice'`)).toHaveLength(1)
})

test('Postgres away: dead letters stay in their queue, and are stored when it is there again', async () => {
  const bodies = [1, 2, 3].map((seq) => telemetry(plant, 'outage', { seq }))
  for (const body of bodies) await letters.send('telemetry-dead-letters', body, refusedAs('seq_conflict'))
  await letters.database.letIn(false)
  expect((await letters.deliver('telemetry-dead-letters')).Records).toHaveLength(3)
  // Hidden for a while, not gone, and not back at once.
  expect((await letters.deliver('telemetry-dead-letters')).Records).toEqual([])
  await letters.database.letIn(true)
  expect(await rows(`machine = 'outage'`)).toEqual([])
  await expect
    .poll(
      async () => {
        await letters.deliver('telemetry-dead-letters')
        return (await rows(`machine = 'outage'`)).map((row) => row.body.toString()).toSorted()
      },
      { timeout: 10_000 },
    )
    .toEqual(bodies.toSorted())
})

test('whatever a message holds, it can be stored', async () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\u0000', '\ud800', 'factory/\u0000/\ud800'))
  const body = fc.oneof(
    text,
    fc
      .record({ topic: text, clientId: text, receivedAt: fc.anything(), payload: text })
      .map((one) => JSON.stringify(one)),
    fc
      .record({ topic: text, clientId: text, base64OriginalPayload: fc.base64String(), failures: fc.constant([]) })
      .map((one) => JSON.stringify(one)),
  )
  const queue = fc.constantFrom('telemetry-dead-letters', 'status-dead-letters', 'rule-errors')
  await fc.assert(
    fc.asyncProperty(queue, body, text, async (of, Body, reason) => {
      const MessageAttributes = { errorCode: { DataType: 'String', StringValue: reason } }
      const record = recordOf(of, { MessageId: randomUUID(), Body, MessageAttributes })
      expect(await letters.handle({ Records: [record] })).toEqual({ batchItemFailures: [] })
    }),
    { numRuns: 200 },
  )
})
