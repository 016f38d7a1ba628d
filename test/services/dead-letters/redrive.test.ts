import type { Context } from 'aws-lambda'
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type DeadLetters, startDeadLetters } from '../../helpers/dead-letters.ts'
import { envelope, telemetry } from '../../helpers/envelopes.ts'
import { lambdaContext } from '../../helpers/lambda-context.ts'
import { createPlant, type TestPlant } from '../../helpers/plant.ts'

let letters: DeadLetters
let plant: TestPlant

beforeAll(async () => {
  letters = await startDeadLetters()
  plant = await createPlant(letters.database.master, 'redrive')
})
afterAll(() => letters.stop())
beforeEach(() => letters.database.master.query('delete from quarantine'))

/** Rows that wait for a redrive, in this order. */
async function waiting(bodies: string[], { code = 'unknown_plant', queue = 'telemetry', receivedAt = 1 } = {}) {
  for (const [index, body] of bodies.entries()) {
    await letters.database.master.query(
      `insert into quarantine (id, message_id, tenant_id, queue, code, message, received_at, quarantined_at, redrive_at, body,
         payload_bytes, payload_head) values ($1::uuid, $1::text, $2, $3, $4, '', $5, 1, $6, $7, 0, '')`,
      [uuid(), plant.tenantId, queue, code, receivedAt, index, Buffer.from(body)],
    )
  }
}

const left = async () =>
  (await letters.database.master.query<{ body: Buffer }>('select body from quarantine order by redrive_at')).rows.map(
    (row) => row.body.toString(),
  )
const inQueue = async (queue: string) => (await letters.queues.drain(queue)).map((message) => message.Body)
const readings = (count: number) =>
  Array.from({ length: count }, (_, seq) => telemetry(plant, 'press', { seq }, { payload: Buffer.from([0xff, seq]) }))

test('what was asked for goes back byte for byte, each to its queue; the rest stays', async () => {
  const [reading] = readings(1)
  const heartbeat = envelope({ topic: 'ops/x/y/z/gateway/ñ/status', clientId: 'g', payload: new Uint8Array([0xff]) })
  await waiting([reading!])
  await waiting([heartbeat], { queue: 'status' })
  await waiting(['not asked for'])
  await letters.database.master.query(`update quarantine set redrive_at = null where body = 'not asked for'::bytea`)
  expect(await letters.redrive()).toEqual({ redriven: 2 })
  expect(await inQueue('telemetry')).toEqual([reading])
  expect(await inQueue('status')).toEqual([heartbeat])
  expect(await left()).toEqual(['not asked for'])
  expect(await letters.redrive()).toEqual({ redriven: 0 })
})

test('a rule’s failure becomes the envelope that the rule would have made', async () => {
  const topic = `factory/${plant.tenant}/ba/${plant.plant}/press/telemetry`
  const payload = Buffer.from([0x00, 0xff]).toString('base64')
  const error = { ruleName: 'telemetry', topic, cloudwatchTraceId: 'trace', clientId: plant.thingName }
  const failures = [{ failedAction: 'SqsAction', failedResource: 'q', errorMessage: 'gone' }]
  const body = JSON.stringify({ ...error, base64OriginalPayload: payload, failures })
  await waiting([body], { code: 'delivery_failed', receivedAt: 1_736_359_200_000 })
  expect(await letters.redrive()).toEqual({ redriven: 1 })
  const [sent] = await inQueue('telemetry')
  expect(JSON.parse(sent!)).toEqual({
    ...{ payload, topic, clientId: plant.thingName, receivedAt: 1_736_359_200_000, traceId: 'trace' },
  })
})

test('the rate is bounded: a batch of ten takes a tenth of a second', async () => {
  await waiting(readings(30))
  const began = performance.now()
  expect(await letters.redrive()).toEqual({ redriven: 30 })
  // Three whole batches, and one look that finds no more. Timers may end a millisecond early.
  expect(performance.now() - began).toBeGreaterThan(295)
  expect(await inQueue('telemetry')).toHaveLength(30)
})

test('a run whose time is over leaves the rest to the next one', async () => {
  const bodies = readings(15)
  await waiting(bodies)
  let asked = 0 // by the frame, then before each batch
  const hasTimeForOne = { ...lambdaContext, getRemainingTimeInMillis: () => (asked++ < 2 ? 30_000 : 0) } as Context
  expect(await letters.redrive(hasTimeForOne)).toEqual({ redriven: 10 })
  expect(await left()).toEqual(bodies.slice(10))
  expect(await letters.redrive()).toEqual({ redriven: 5 })
  expect(await inQueue('telemetry')).toHaveLength(15)
})

test('a run that dies between sending and deleting loses nothing: the next one sends again', async () => {
  const bodies = readings(3)
  await waiting(bodies)
  const { master } = letters.database
  // Holds the deletion up, so that it can be cut off: the messages are in the queue by then.
  await master.query(`
    create function hold_up() returns trigger language plpgsql as $f$ begin perform pg_advisory_xact_lock(1); return old; end $f$;
    create trigger hold_up before delete on quarantine for each row execute function hold_up()`)
  const holder = await master.connect()
  await holder.query('select pg_advisory_lock(1)')
  const dying = letters.redrive()
  const rejected = expect(dying).rejects.toThrow()
  const stuck = `select pid from pg_stat_activity where datname = current_database() and usename = 'iot_quarantine' and wait_event = 'advisory'`
  await expect.poll(async () => (await master.query(stuck)).rowCount).toBe(1)
  await master.query(`select pg_terminate_backend(pid) from (${stuck}) stuck`)
  await rejected
  holder.release(true)
  await master.query('drop trigger hold_up on quarantine')

  expect(await left()).toEqual(bodies)
  expect(await letters.redrive()).toEqual({ redriven: 3 })
  expect(await left()).toEqual([])
  expect((await inQueue('telemetry')).toSorted()).toEqual([...bodies, ...bodies].toSorted())
})

test('while the queue cannot be reached, rows stay; then they go', async () => {
  const bodies = readings(2)
  await waiting(bodies)
  letters.line.cut()
  expect(await letters.redrive()).toEqual({ redriven: 0 })
  expect(await left()).toEqual(bodies)
  letters.line.mend()
  expect(await letters.redrive()).toEqual({ redriven: 2 })
  expect((await inQueue('telemetry')).toSorted()).toEqual(bodies.toSorted())
})

test('two runs at once share the work', async () => {
  await waiting(readings(12))
  const { master } = letters.database
  const other = await master.connect()
  await other.query('begin')
  await other.query('select from quarantine order by redrive_at limit 4 for update')
  expect(await letters.redrive()).toEqual({ redriven: 8 })
  await other.query('rollback')
  other.release()
  expect(await left()).toHaveLength(4)
})
