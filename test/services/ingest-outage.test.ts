import { ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from 'redis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { LiveMachine } from '../../schemas/live.ts'
import { startRedis } from '../../local/redis.ts'
import { telemetry } from '../helpers/envelopes.ts'
import { startConsumer } from '../helpers/ingest.ts'
import { createPlant, type TestPlant } from '../helpers/plant.ts'
import { sqsEvent } from '../helpers/sqs.ts'

let consumer: Awaited<ReturnType<typeof startConsumer>>
let redis: Awaited<ReturnType<typeof startRedis>>
let plant: TestPlant
let seq = 0
const folder = mkdtempSync(join(tmpdir(), 'iot-outage-'))

beforeAll(async () => {
  redis = await startRedis({ dataDir: folder })
  consumer = await startConsumer('ingest', { redisUrl: redis.url })
  plant = await createPlant(consumer.database.master, 'outage')
})
afterAll(async () => {
  await consumer.stop()
  await redis.stop()
  rmSync(folder, { recursive: true, force: true })
})

const reading = () => telemetry(plant, 'press', { seq: ++seq, timestamp: Date.now() })

async function storedSeqs(): Promise<number[]> {
  const { rows } = await consumer.database.master.query<{ seq: number }>(
    'select seq from telemetry_events order by seq',
  )
  return rows.map((row) => row.seq)
}

test('Postgres away: all but the refused come back, later each time, and are stored when it is there again', async () => {
  await consumer.handle(sqsEvent([reading()]))
  await consumer.database.letIn(false)
  const event = sqsEvent([reading(), telemetry(plant, 'press', { seq: -1 }), reading()])
  expect(await consumer.handle(event)).toEqual({
    batchItemFailures: [0, 2].map((index) => ({ itemIdentifier: event.Records[index]!.messageId })),
  })
  expect(await consumer.queues.drain('dead-letters')).toHaveLength(1)
  await consumer.database.letIn(true)
  const again = { Records: [event.Records[0]!, event.Records[2]!] }
  expect(await consumer.handle(again)).toEqual({ batchItemFailures: [] })
  expect(await storedSeqs()).toEqual([1, 2, 3])
})

test('names that cannot be looked up come back too', async () => {
  const other = await createPlant(consumer.database.master, 'outage-unknown-yet')
  await consumer.database.letIn(false)
  const event = sqsEvent([telemetry(other, 'press', {})])
  expect((await consumer.handle(event)).batchItemFailures).toHaveLength(1)
  await consumer.database.letIn(true)
  expect(await consumer.handle(event)).toEqual({ batchItemFailures: [] })
})

test('a message that failed is seen again after its delay, not after the time-out of the queue', async () => {
  const QueueUrl = consumer.queues.url('telemetry')
  await consumer.queues.client.send(new SendMessageCommand({ QueueUrl, MessageBody: reading() }))
  const receive = async (seconds: number) =>
    (await consumer.queues.client.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: seconds }))).Messages?.[0]
  const message = await receive(1)
  await consumer.database.letIn(false)
  const event = sqsEvent([message!.Body!])
  event.Records[0]!.receiptHandle = message!.ReceiptHandle!
  expect((await consumer.handle(event)).batchItemFailures).toHaveLength(1)
  await consumer.database.letIn(true)
  const seenAgain = await receive(10)
  expect(seenAgain?.MessageId).toBe(message!.MessageId)
  await consumer.handle(sqsEvent([seenAgain!.Body!], 2))
})

test('a connection that dies in the middle of the statement is replaced, and the batch stored once', async () => {
  const { master } = consumer.database
  const blocker = await master.connect()
  await blocker.query('begin')
  await blocker.query('select pg_advisory_xact_lock(7001, bucket) from generate_series(0, 255) bucket')
  const body = reading()
  const handled = consumer.handle(sqsEvent([body, body]))
  const waiting = `select pid from pg_stat_activity where datname = current_database() and usename = 'iot_ingest' and wait_event = 'advisory'`
  await expect.poll(async () => (await master.query(waiting)).rowCount).toBe(1)
  await master.query(`select pg_terminate_backend(pid) from (${waiting}) waiting`)
  await expect.poll(async () => (await master.query(waiting)).rowCount).toBe(1)
  await blocker.query('rollback')
  blocker.release()
  expect(await handled).toEqual({ batchItemFailures: [] })
  expect((await storedSeqs()).filter((stored) => stored === seq)).toEqual([seq])
})

test('a disk that is full: all comes back, nothing is refused, and is stored when there is room', async () => {
  const { master } = consumer.database
  await master.query(`
    create function refuse() returns trigger language plpgsql as $$
      begin raise 'could not extend file: No space left on device' using errcode = 'disk_full'; end $$;
    create trigger refuse before insert on telemetry_events for each statement execute function refuse()`)
  const event = sqsEvent([reading(), reading()])
  expect((await consumer.handle(event)).batchItemFailures).toHaveLength(2)
  await master.query('drop trigger refuse on telemetry_events; drop function refuse')
  expect(await consumer.queues.drain('dead-letters')).toEqual([])
  expect(await consumer.handle(event)).toEqual({ batchItemFailures: [] })
  expect((await storedSeqs()).slice(-2)).toEqual([seq - 1, seq])
})

test('a day without partition that cannot be made: all comes back, nothing is refused', async () => {
  const { master } = consumer.database
  const yesterday = Date.now() - 86_400_000
  await master.query(`drop table telemetry_events_${new Date(yesterday).toISOString().slice(0, 10).replaceAll('-', '')};
    revoke execute on function ensure_partitions(date, date) from iot_ingest`)
  const event = sqsEvent([telemetry(plant, 'press', { seq: ++seq, timestamp: yesterday }), reading()])
  expect((await consumer.handle(event)).batchItemFailures).toHaveLength(2)
  await master.query('grant execute on function ensure_partitions(date, date) to iot_ingest')
  expect(await consumer.queues.drain('dead-letters')).toEqual([])
  expect(await consumer.handle(event)).toEqual({ batchItemFailures: [] })
  expect((await storedSeqs()).slice(-2)).toEqual([seq - 1, seq])
})

test('Redis away: stored and done; there again: announced, with what became known meanwhile', async () => {
  await redis.stop()
  const bodies = [reading(), telemetry(plant, 'press', { seq: ++seq, units: { temperature: '°C' } })]
  expect(await consumer.handle(sqsEvent(bodies))).toEqual({ batchItemFailures: [] })
  expect(await storedSeqs()).toContain(seq)

  // startRedis would take the variable, which is meant for the consumer, for a server that is there already.
  delete process.env['REDIS_URL']
  redis = await startRedis({ dataDir: folder, port: Number(new URL(redis.url).port) })
  const client = createClient({ url: redis.url })
  await client.connect()
  const name = `${plant.tenant}:${plant.plant}`
  await client.zAdd(`watchers:${name}`, { score: Date.now() + 60_000, value: 'someone' })
  const announcedSeq = async () => {
    await consumer.handle(sqsEvent([reading()]))
    const text = await client.hGet(`state:${name}`, 'press')
    return text === null ? undefined : (JSON.parse(text) as LiveMachine).state?.seq
  }
  await expect.poll(async () => (await announcedSeq()) === seq, { timeout: 10_000 }).toBe(true)
  expect(JSON.parse((await client.hGet(`about:${name}`, 'press'))!)).toMatchObject({ units: { temperature: '°C' } })
  client.destroy()
})

test('a dead letter that cannot be sent is reported as failed', async () => {
  await consumer.queues.stop()
  const event = sqsEvent([reading(), telemetry(plant, 'press', { seq: -1 })])
  expect(await consumer.handle(event)).toEqual({ batchItemFailures: [{ itemIdentifier: event.Records[1]!.messageId }] })
  expect(await storedSeqs()).toContain(seq)
})
