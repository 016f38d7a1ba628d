import { createClient } from 'redis'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import type { MachineAbout } from '../../schemas/live.ts'
import { telemetry } from '../helpers/envelopes.ts'
import { startConsumer } from '../helpers/ingest.ts'
import { createGateway, createPlant, type TestPlant } from '../helpers/plant.ts'
import { sqsEvent } from '../helpers/sqs.ts'

let consumer: Awaited<ReturnType<typeof startConsumer>>
const redis = createClient({ url: inject('redisUrl') })
const listener = redis.duplicate()
const now = Date.now()

beforeAll(async () => {
  consumer = await startConsumer('ingest')
  await Promise.all([redis.connect(), listener.connect()])
})
afterAll(async () => {
  redis.destroy()
  listener.destroy()
  await consumer.stop()
})

const newPlant = (name: string) => createPlant(consumer.database.master, name)

async function rowsOf<Row extends Record<string, unknown>>(table: string, plant: TestPlant): Promise<Row[]> {
  const { rows } = await consumer.database.master.query<Row>(`select t.* from ${table} t where t.tenant_id = $1`, [
    plant.tenantId,
  ])
  return rows
}

const seqs = async (plant: TestPlant) =>
  (await rowsOf<{ seq: number }>('telemetry_events', plant)).map((row) => row.seq).toSorted((a, b) => a - b)

const watch = (plant: TestPlant) =>
  redis.zAdd(`watchers:${plant.tenant}:${plant.plant}`, { score: Date.now() + 60_000, value: 'someone' })

/** What watchers are to hear of the press besides its state, as the fan-out takes it. */
async function takeAbout(plant: TestPlant): Promise<MachineAbout | undefined> {
  const key = `about:${plant.tenant}:${plant.plant}`
  const text = await redis.hGet(key, 'press')
  await redis.del(key)
  return text === null ? undefined : (JSON.parse(text) as MachineAbout)
}

const codes = async () =>
  (await consumer.queues.drain('dead-letters')).map((letter) => letter.MessageAttributes!['errorCode']!.StringValue)

test('a reading is stored, its machine made, its gateway noted, and all who listen are told', async () => {
  const plant = await newPlant('ingest-one')
  const events: unknown[] = []
  await listener.subscribe(`events:${plant.tenant}:${plant.plant}`, (text) => events.push(JSON.parse(text)))
  await watch(plant)
  const reading = { timestamp: now, seq: 7, values: { temperature: 71.2, running: true, state: 'RUN', lost: null } }
  const body = telemetry(plant, 'press', { ...reading, quality: { lost: 'bad' } }, { receivedAt: now + 5 })

  expect(await consumer.handle(sqsEvent([body]))).toEqual({ batchItemFailures: [] })

  const stored = { ts: now, seq: 7, received_at: now + 5, values: reading.values, quality: { lost: 'bad' } }
  expect(await rowsOf('telemetry_events', plant)).toMatchObject([stored])
  expect(await rowsOf('machine_state', plant)).toMatchObject([{ ...stored, older_tags: null, last_seen_at: now + 5 }])
  expect(await rowsOf('machines', plant)).toMatchObject([
    { slug: 'press', status: 'pending', gateway_id: plant.gatewayId, plant_id: plant.plantId },
  ])
  expect(await rowsOf('gateways', plant)).toMatchObject([{ last_seen_at: now + 5 }])
  const state = { ...reading, receivedAt: now + 5, quality: { lost: 'bad' } }
  const cached = await redis.hGet(`state:${plant.tenant}:${plant.plant}`, 'press')
  expect(JSON.parse(cached!)).toMatchObject({ slug: 'press', state })
  expect(await takeAbout(plant)).toMatchObject({ status: 'pending', thingName: plant.thingName })
  await expect.poll(() => events).toMatchObject([{ type: 'telemetry', machine: 'press', ...reading }])
  const [item] = await consumer.queues.drain('fan-out.fifo')
  expect(JSON.parse(item!.Body!)).toEqual({ tenant: plant.tenant, plant: plant.plant })
  expect(await redis.sMembers(`changed-machines:${plant.tenant}:${plant.plant}`)).toEqual(['press'])
})

test('a plant that changes again and again has one work item until the fan-out takes it', async () => {
  const plant = await newPlant('ingest-one-item')
  await watch(plant)
  await consumer.handle(sqsEvent([telemetry(plant, 'press', { seq: 1 })]))
  await consumer.handle(sqsEvent([telemetry(plant, 'oven', { seq: 1 }), telemetry(plant, 'press', { seq: 2 })]))
  expect(await consumer.queues.drain('fan-out.fifo')).toHaveLength(1)
  const changed = await redis.sMembers(`changed-machines:${plant.tenant}:${plant.plant}`)
  expect(changed.toSorted()).toEqual(['oven', 'press'])
  await redis.del(`fan-out:${plant.tenant}:${plant.plant}`) // as the fan-out does
  await consumer.handle(sqsEvent([telemetry(plant, 'press', { seq: 3 })]))
  expect(await consumer.queues.drain('fan-out.fifo')).toHaveLength(1)
})

test('nobody watching costs no work item', async () => {
  const plant = await newPlant('ingest-unwatched')
  await consumer.handle(sqsEvent([telemetry(plant, 'press', {})]))
  expect(await consumer.queues.drain('fan-out.fifo')).toEqual([])
})

test('duplicates, within a batch and later, are handled in silence and counted', async () => {
  const plant = await newPlant('ingest-twice')
  const [one, two] = [1, 2].map((seq) => telemetry(plant, 'press', { seq, timestamp: now + seq }))
  expect(await consumer.handle(sqsEvent([one!, two!, one!, two!]))).toEqual({ batchItemFailures: [] })
  expect(await consumer.handle(sqsEvent([two!, one!]))).toEqual({ batchItemFailures: [] })
  expect(await seqs(plant)).toEqual([1, 2])
  expect(await rowsOf('closed_blocks', plant)).toMatchObject([{ repeats: 4 }])
  expect(await codes()).toEqual([])
})

test('the same seq with another content is a conflict, in one batch and later', async () => {
  const plant = await newPlant('ingest-conflict')
  const body = (value: number) => telemetry(plant, 'press', { timestamp: now, values: { value } })
  await consumer.handle(sqsEvent([body(1), body(2)]))
  expect(await codes()).toEqual(['seq_conflict'])
  await consumer.handle(sqsEvent([body(3), body(1)]))
  expect(await codes()).toEqual(['seq_conflict'])
  expect(await rowsOf('telemetry_events', plant)).toMatchObject([{ values: { value: 1 } }])
})

test('two consumers with the same messages at the same time store each once', async () => {
  const plant = await newPlant('ingest-race')
  const bodies = Array.from({ length: 200 }, (_, index) =>
    telemetry(plant, `machine-${index % 20}`, { seq: index, timestamp: now + index }),
  )
  const consumers = [consumer.handle(sqsEvent(bodies)), consumer.handle(sqsEvent(bodies.toReversed()))]
  expect(await Promise.all(consumers)).toEqual([{ batchItemFailures: [] }, { batchItemFailures: [] }])
  expect(await seqs(plant)).toEqual(bodies.map((_, index) => index))
  expect(await rowsOf('machines', plant)).toHaveLength(20)
})

test('the current state is the newest value of each tag, whatever the order of arrival', async () => {
  const plant = await newPlant('ingest-state')
  const readings = [
    { seq: 1, timestamp: now, values: { temperature: 1, state: 'RUN' }, quality: { temperature: 'bad' } },
    { seq: 2, timestamp: now + 10, values: { temperature: 2 } },
    { seq: 3, timestamp: now + 20, values: { speed: null, state: 'STOP' }, quality: { speed: 'bad' } },
    { seq: 4, timestamp: now + 20, values: { pressure: 4 } },
    { seq: 5, timestamp: now + 30, values: { speed: 5 } },
  ]
  const orders = [
    [0, 1, 2, 3, 4],
    [4, 3, 2, 1, 0],
    [2, 4, 0, 3, 1],
  ]
  for (const [index, order] of orders.entries()) {
    const bodies = order.map((place) => [telemetry(plant, `single-${index}`, readings[place]!), place] as const)
    for (const [body] of bodies) await consumer.handle(sqsEvent([body]))
    await consumer.handle(sqsEvent(order.map((place) => telemetry(plant, `batch-${index}`, readings[place]!))))
  }
  const states = await rowsOf('machine_state', plant)
  expect(states).toHaveLength(6)
  for (const state of states) {
    expect(state).toMatchObject({
      ts: now + 30,
      seq: 5,
      values: { temperature: 2, state: 'STOP', pressure: 4, speed: 5 },
      quality: null,
      older_tags: { temperature: [now + 10, 2], state: [now + 20, 3], pressure: [now + 20, 4] },
    })
  }
  const cached = await redis.hGetAll(`state:${plant.tenant}:${plant.plant}`)
  for (const text of Object.values(cached)) {
    expect(JSON.parse(text)).toMatchObject({
      state: { values: { temperature: 2, state: 'STOP', pressure: 4, speed: 5 } },
    })
  }
})

test('a quality says nothing of a tag that its message has no value of', async () => {
  const plant = await newPlant('ingest-foreign-quality')
  const qualities = [{ lost: 'bad' }, {}, { lost: 'bad', temperature: 'uncertain' }]
  for (const [seq, quality] of qualities.entries()) {
    const body = telemetry(plant, 'press', { seq, timestamp: now + seq, values: { temperature: seq }, quality })
    await consumer.handle(sqsEvent([body]))
    const stored = seq === 2 ? { temperature: 'uncertain' } : null
    expect(await rowsOf('telemetry_events', plant)).toContainEqual(expect.objectContaining({ seq, quality: stored }))
    expect(await rowsOf('machine_state', plant)).toMatchObject([{ seq, quality: stored }])
  }
})

test('a machine of 10,000 tags, told some at a time by consumers at once, has them all in its state', async () => {
  const plant = await newPlant('ingest-many-tags')
  const tags = Array.from({ length: 10_000 }, (_, tag) => [`tag-${tag}`, tag] as const)
  const bodies = Array.from({ length: 40 }, (_, index) => {
    const values = Object.fromEntries(tags.slice(index * 250, index * 250 + 250))
    return telemetry(plant, 'press', { seq: index, timestamp: now + index, values })
  })
  await Promise.all([0, 10, 20, 30].map((first) => consumer.handle(sqsEvent(bodies.slice(first, first + 10)))))
  const [state] = await rowsOf<{ values: Record<string, number> }>('machine_state', plant)
  expect(state!.values).toEqual(Object.fromEntries(tags))
})

test('late data fills history and leaves the current state alone', async () => {
  const plant = await newPlant('ingest-late')
  await consumer.handle(sqsEvent([telemetry(plant, 'press', { seq: 2, timestamp: now, values: { t: 2 } })]))
  const yesterday = now - 86_400_000
  await consumer.handle(sqsEvent([telemetry(plant, 'press', { seq: 1, timestamp: yesterday, values: { t: 1 } })]))
  expect(await seqs(plant)).toEqual([1, 2])
  expect(await rowsOf('machine_state', plant)).toMatchObject([{ ts: now, seq: 2, values: { t: 2 } }])
  const cached = await redis.hGet(`state:${plant.tenant}:${plant.plant}`, 'press')
  expect(JSON.parse(cached!)).toMatchObject({ state: { timestamp: now, values: { t: 2 } } })
})

test('a day without partition is made, and the reading stored', async () => {
  const plant = await newPlant('ingest-partition')
  const day = now - 3 * 86_400_000
  const partition = `telemetry_events_${new Date(day).toISOString().slice(0, 10).replaceAll('-', '')}`
  await consumer.database.master.query(`drop table ${partition}`)
  expect(await consumer.handle(sqsEvent([telemetry(plant, 'press', { timestamp: day })]))).toEqual({
    batchItemFailures: [],
  })
  expect(await seqs(plant)).toEqual([1])
})

test('a redelivery is known even when its partition is gone', async () => {
  const plant = await newPlant('ingest-forget')
  const old = telemetry(plant, 'press', { timestamp: now - 40 * 86_400_000, seq: 2048 })
  await consumer.handle(sqsEvent([telemetry(plant, 'press', { seq: 2048 })]))
  await consumer.database.master.query('delete from telemetry_events where tenant_id = $1', [plant.tenantId])
  await consumer.handle(sqsEvent([old, telemetry(plant, 'press', { timestamp: now - 40 * 86_400_000, seq: 2049 })]))
  expect(await codes()).toEqual(['timestamp_too_old'])
})

test('a plant has room for 500 machines; those that it has go on', async () => {
  const plant = await newPlant('ingest-quota')
  const bodies = Array.from({ length: 502 }, (_, index) =>
    telemetry(plant, `machine-${String(index).padStart(3, '0')}`, { seq: 1 }),
  )
  await consumer.handle(sqsEvent(bodies.slice(0, 499)))
  await consumer.handle(sqsEvent([...bodies.slice(499), telemetry(plant, 'machine-000', { seq: 2 })]))
  expect(await codes()).toEqual(['machine_quota_exceeded', 'machine_quota_exceeded'])
  expect(await rowsOf('machines', plant)).toHaveLength(500)
  expect(await seqs(plant)).toHaveLength(501)
})

test('consumers that meet new machines at the same time make each once, and no more than the plant has room for', async () => {
  const plant = await newPlant('ingest-quota-race')
  const bodies = Array.from({ length: 600 }, (_, index) => telemetry(plant, `machine-${index}`, { seq: 1 }))
  const overlapping = [0, 150, 300].map((first) => sqsEvent(bodies.slice(first, first + 300)))
  const answers = await Promise.all(overlapping.map((event) => consumer.handle(event)))
  expect(answers.flatMap((answer) => answer.batchItemFailures)).toEqual([])
  const stored = new Set((await rowsOf<{ machine_id: string }>('telemetry_events', plant)).map((row) => row.machine_id))
  expect(await rowsOf('machines', plant)).toHaveLength(500)
  expect(stored.size).toBe(500)
  const refused = await consumer.queues.drain('dead-letters')
  expect(new Set(refused.map((letter) => letter.MessageAttributes!['errorCode']!.StringValue))).toEqual(
    new Set(['machine_quota_exceeded']),
  )
  const topics = new Set(refused.map((letter) => letter.MessageAttributes!['topic']!.StringValue))
  expect(topics.size).toBe(100)
})

test('a machine that another gateway of the plant sends for is shown with that one', async () => {
  const plant = await newPlant('ingest-moved')
  await watch(plant)
  await consumer.handle(sqsEvent([telemetry(plant, 'press', { seq: 1 })]))
  const second = { ...plant, thingName: 'ingest-moved-gateway-2', gatewayId: plant.plantId }
  await createGateway(consumer.database.master, second)
  await consumer.handle(sqsEvent([telemetry(second, 'press', { seq: 2, timestamp: Date.now() + 1 })]))
  expect(await rowsOf('machines', plant)).toMatchObject([{ gateway_id: second.gatewayId }])
  expect(await takeAbout(plant)).toMatchObject({ thingName: second.thingName })
})

test('a machine that a person has changed is looked up again with the next batch, and all of it told once', async () => {
  const plant = await newPlant('ingest-changed')
  await watch(plant)
  const handle = (seq: number) =>
    consumer.handle(sqsEvent([telemetry(plant, 'press', { seq, timestamp: Date.now() + seq })]))
  await handle(1)
  expect(await takeAbout(plant)).toMatchObject({ status: 'pending', name: null })
  await consumer.database.master.query(`update machines set status = 'active', name = 'Press 1' where plant_id = $1`, [
    plant.plantId,
  ])
  await redis.incr(`edition:${plant.tenant}:${plant.plant}`)
  await handle(2) // hears of it
  expect(await takeAbout(plant)).toBeUndefined()
  await handle(3)
  expect(await takeAbout(plant)).toMatchObject({ status: 'active', name: 'Press 1' })
  await handle(4)
  expect(await takeAbout(plant)).toBeUndefined()
})

test('units are kept with the machine, told with its state, merged, and not taken from a backlog', async () => {
  const plant = await newPlant('ingest-units')
  await watch(plant)
  const handle = (reading: object) =>
    consumer.handle(sqsEvent([telemetry(plant, 'press', { values: { t: 1 }, ...reading })]))
  const kept = async () => (await rowsOf<{ units: object }>('machines', plant))[0]!.units
  const units = async () => {
    const told = await takeAbout(plant)
    expect(told?.units).toEqual(await kept())
    return told!.units
  }
  await handle({ timestamp: now, seq: 1 })
  expect(await units()).toEqual({})
  await handle({ timestamp: now + 1, seq: 2, units: { t: '°C', flow: 'm³/h' } })
  expect(await units()).toEqual({ t: '°C', flow: 'm³/h' })
  await handle({ timestamp: now + 2, seq: 3, units: { t: '°F' } })
  expect(await units()).toEqual({ t: '°F', flow: 'm³/h' })
  await handle({ timestamp: now - 300_000, seq: 4, values: { older: 1 }, units: { t: 'K' } })
  expect(await kept()).toEqual({ t: '°F', flow: 'm³/h' })
  expect(await takeAbout(plant)).toBeUndefined()
})

test('of one batch, the newest reading says the unit', async () => {
  const plant = await newPlant('ingest-units-batch')
  const body = (seq: number, unit: string) =>
    telemetry(plant, 'press', { timestamp: now + seq, seq, units: { temperature: unit } })
  await consumer.handle(sqsEvent([body(2, 'bar'), body(1, 'psi')]))
  expect(await rowsOf('machines', plant)).toMatchObject([{ units: { temperature: 'bar' } }])
})

test('a duplicate announces what an earlier attempt stored but could not announce, and only then', async () => {
  const plant = await newPlant('ingest-unannounced')
  const body = telemetry(plant, 'press', { values: { t: 1 } })
  const announced = () => redis.exists(`state:${plant.tenant}:${plant.plant}`)
  await consumer.handle(sqsEvent([body]))
  await redis.del(`state:${plant.tenant}:${plant.plant}`)
  await consumer.handle(sqsEvent([body], 1))
  expect(await announced()).toBe(0)
  await consumer.handle(sqsEvent([body], 2))
  expect(await announced()).toBe(1)
})

test('a message that Postgres itself refuses is found by halving; all its neighbours are stored', async () => {
  const plant = await newPlant('ingest-halved')
  await consumer.database.master.query(`
    create function refuse() returns trigger language plpgsql as $$
      begin raise 'cannot hold it' using errcode = '22P05'; end $$;
    create trigger refuse before insert on telemetry_events for each row when (new.values ? 'poison') execute function refuse()`)
  const bodies = Array.from({ length: 25 }, (_, seq) =>
    telemetry(plant, 'press', {
      seq,
      timestamp: now + seq,
      values: seq === 3 || seq === 17 ? { poison: 1 } : { t: 1 },
    }),
  )
  expect(await consumer.handle(sqsEvent(bodies))).toEqual({ batchItemFailures: [] })
  const letters = await consumer.queues.drain('dead-letters')
  expect(letters.map((letter) => letter.Body).toSorted()).toEqual([bodies[3], bodies[17]].toSorted())
  expect(letters.map((letter) => letter.MessageAttributes!['errorCode']!.StringValue)).toEqual(
    Array(2).fill('invalid_payload'),
  )
  expect(await seqs(plant)).toEqual(bodies.map((_, seq) => seq).filter((seq) => seq !== 3 && seq !== 17))
})
