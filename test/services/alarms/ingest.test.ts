/** Alarms in the path of readings: what the store, the engine and the tables make of it together. */
import { randomUUID } from 'node:crypto'
import { createClient } from 'redis'
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import { createAlarmRule, type RuleInput } from '../../helpers/alarm-rules.ts'
import { telemetry } from '../../helpers/envelopes.ts'
import { startConsumer } from '../../helpers/ingest.ts'
import { createPlant, type TestPlant } from '../../helpers/plant.ts'
import { sqsEvent } from '../../helpers/sqs.ts'

let consumer: Awaited<ReturnType<typeof startConsumer>>
const redis = createClient({ url: inject('redisUrl') })

beforeAll(async () => {
  consumer = await startConsumer('ingest')
  await redis.connect()
})
afterAll(async () => {
  redis.destroy()
  await consumer.stop()
})

async function plantWith(...rules: RuleInput[]): Promise<TestPlant & { ruleIds: string[] }> {
  const plant = await createPlant(consumer.database.master, `a-${randomUUID().slice(0, 8)}`)
  const ruleIds = []
  for (const rule of rules) ruleIds.push(await createAlarmRule(consumer.database.master, plant, rule))
  return { ...plant, ruleIds }
}

const HOT: RuleInput = { tag: 'temperature', condition: { kind: 'above', limit: 80, hysteresis: 5 } }
const send = (...bodies: string[]) => consumer.handle(sqsEvent(bodies))
const now = Date.now()
const heat = (
  plant: TestPlant,
  seq: number,
  temperature: unknown,
  more: { at?: number; machine?: string; receivedAt?: number } = {},
) => {
  const { at = now + seq, machine = 'press', receivedAt = at } = more
  return telemetry(plant, machine, { seq, timestamp: at, values: { temperature } }, { receivedAt })
}

interface Row {
  id: string
  raised_at: number
  cleared_at: number | null
  closed_at: number | null
  occurrences: number
  value: unknown
  message: string | null
  late_hour: number | null
  source: string
}
const alarmsOf = async ({ tenantId }: TestPlant) =>
  (
    await consumer.database.master.query<Row>('select * from alarms where tenant_id = $1 order by raised_at', [
      tenantId,
    ])
  ).rows
const count = async (table: string, { tenantId }: TestPlant) =>
  (
    await consumer.database.master.query<{ n: number }>(`select count(*) as n from ${table} where tenant_id = $1`, [
      tenantId,
    ])
  ).rows[0]!.n

test('a value above its limit is one alarm, however often the messages come, and is told to pages and receivers', async () => {
  const plant = await plantWith(HOT)
  await redis.zAdd(`watchers:${plant.tenant}:${plant.plant}`, { score: Date.now() + 60_000, value: 'someone' })
  const bodies = [heat(plant, 1, 70), heat(plant, 2, 81.5), heat(plant, 3, 90)]
  await send(...bodies, ...bodies)
  await send(...bodies)
  const [alarm, ...more] = await alarmsOf(plant)
  expect(more).toEqual([])
  expect(alarm).toMatchObject({
    raised_at: now + 2,
    cleared_at: null,
    occurrences: 1,
    value: 81.5,
    message: null,
  })
  expect(await count('alarm_events', plant)).toBe(1)
  const cached = await redis.hGet(`alarms:${plant.tenant}:${plant.plant}`, alarm!.id)
  expect(JSON.parse(cached!)).toMatchObject({
    alarmId: alarm!.id,
    machine: 'press',
    state: 'unacknowledged',
    value: 81.5,
  })
  const items = (await consumer.queues.drain('alarms')).map(({ Body }) => JSON.parse(Body!) as { outboxId: string })
  expect(items).toHaveLength(1)
  expect(await consumer.queues.drain('fan-out.fifo')).not.toHaveLength(0)

  await send(heat(plant, 4, 76)) // within the hysteresis
  expect((await alarmsOf(plant))[0]).toMatchObject({ cleared_at: null })
  await send(heat(plant, 5, 74))
  expect((await alarmsOf(plant))[0]).toMatchObject({ cleared_at: now + 5, closed_at: null })
  await send(heat(plant, 6, 99))
  expect(await alarmsOf(plant)).toMatchObject([{ raised_at: now + 6, cleared_at: null, occurrences: 2, value: 99 }])
})

test('two consumers with the same messages at once make one alarm', async () => {
  const plant = await plantWith(HOT)
  const bodies = Array.from({ length: 30 }, (_, n) => heat(plant, n, n % 2 === 0 ? 90 : 20, { machine: `m-${n % 3}` }))
  await Promise.all([send(...bodies), send(...bodies.toReversed()), send(...bodies)])
  const alarms = await alarmsOf(plant)
  expect(alarms.map(({ source }) => source)).toHaveLength(3)
  expect(await count('alarm_events', plant)).toBe(
    alarms.reduce((sum, one) => sum + 2 * one.occurrences - Number(one.cleared_at === null), 0),
  )
})

test('delays are judged by the readings’ own time, and any tag of the machine tells it', async () => {
  const plant = await plantWith({ ...HOT, delayOnMs: 10_000, delayOffMs: 5_000 })
  await send(heat(plant, 1, 90, { at: now }))
  await send(telemetry(plant, 'press', { seq: 2, timestamp: now + 9_999, values: { other: 1 } }))
  expect(await alarmsOf(plant)).toEqual([])
  await send(telemetry(plant, 'press', { seq: 3, timestamp: now + 12_000, values: { other: 1 } }))
  expect(await alarmsOf(plant)).toMatchObject([{ raised_at: now + 10_000, value: 90 }])
  await send(heat(plant, 4, 20, { at: now + 13_000 }), heat(plant, 5, 95, { at: now + 17_000 }))
  await send(heat(plant, 6, 20, { at: now + 20_000 }), heat(plant, 7, 20, { at: now + 30_000 }))
  expect(await alarmsOf(plant)).toMatchObject([{ occurrences: 1, cleared_at: now + 25_000 }])
})

test('late data raises nothing, and stays in the history by its hour', async () => {
  const plant = await plantWith(HOT)
  const hour = Math.floor(now / 3_600_000) * 3_600_000 - 7_200_000
  await send(heat(plant, 10, 20))
  const backlog = [
    heat(plant, 2, 95, { at: hour + 2 }),
    heat(plant, 1, 85, { at: hour + 1 }),
    heat(plant, 3, 20, { at: hour + 3 }),
  ]
  await send(...backlog)
  await send(...backlog)
  // In order of the machine, but long on its way to the broker.
  const alone = heat(plant, 1, 99, { at: hour + 5, machine: 'oven', receivedAt: now })
  await send(alone)
  const alarms = await alarmsOf(plant)
  expect(alarms).toMatchObject([
    { raised_at: hour + 1, cleared_at: hour + 2, closed_at: hour + 2, occurrences: 2, value: 85 },
    { raised_at: hour + 5, closed_at: hour + 5, occurrences: 1, value: 99 },
  ])
  expect(await count('alarm_outbox', plant)).toBe(0)
  expect(await count('alarm_conditions', plant)).toBe(0)
})

test('rate of change looks at the value before, also of an earlier batch', async () => {
  const plant = await plantWith({
    tag: '*',
    condition: { kind: 'rate_of_change', limitPerMinute: 60, direction: 'rise' },
  })
  await send(heat(plant, 1, 20, { at: now }))
  await send(telemetry(plant, 'press', { seq: 2, timestamp: now + 1_000, values: { other: 1 } }))
  await send(heat(plant, 3, 29, { at: now + 10_000 }))
  expect(await alarmsOf(plant)).toEqual([])
  await send(heat(plant, 4, 49, { at: now + 20_000 }))
  expect(await alarmsOf(plant)).toMatchObject([{ raised_at: now + 20_000, value: 49 }])
})

test('a rule is followed within seconds of its change, and a consumer that does not know of it yet writes nothing', async () => {
  const plant = await plantWith(HOT)
  const { master } = consumer.database
  await send(heat(plant, 1, 20)) // it is known now
  const change = async (sql: string) => {
    await master.query(`update tenants set alarm_rules_version = alarm_rules_version + 1 where id = $1`, [
      plant.tenantId,
    ])
    await master.query(
      `update alarm_rules set ${sql}, version = (select alarm_rules_version from tenants where id = tenant_id) where id = $1`,
      [plant.ruleIds[0]],
    )
  }
  await change(`condition = '{"kind":"above","limit":95,"hysteresis":0}'`)
  await send(heat(plant, 2, 90))
  expect(await alarmsOf(plant)).toEqual([])
  vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 6_000)
  await send(heat(plant, 3, 96))
  vi.restoreAllMocks()
  expect(await alarmsOf(plant)).toMatchObject([{ value: 96 }])
})

test('a storm of a thousand machines is a thousand alarms, each told once', async () => {
  const plant = await plantWith(HOT)
  const { master } = consumer.database
  await master.query(
    `insert into machines (id, tenant_id, plant_id, slug, created_at, updated_at)
     select gen_random_uuid(), $1, $2, 's-' || n, 0, 0 from generate_series(1, 1000) n`,
    [plant.tenantId, plant.plantId],
  )
  const storm = Array.from({ length: 1000 }, (_, n) => heat(plant, 1, 90, { machine: `s-${n + 1}` }))
  await Promise.all([send(...storm.slice(0, 600)), send(...storm.slice(400))])
  expect(await count('alarms', plant)).toBe(1000)
  expect(await count('alarm_outbox', plant)).toBe(1000)
  await send(...storm.map((_, n) => heat(plant, 2, 20, { machine: `s-${n + 1}` })))
  expect((await alarmsOf(plant)).every(({ cleared_at }) => cleared_at !== null)).toBe(true)
  expect(await count('alarm_conditions', plant)).toBe(0)
})

test('in one batch, machines that meet a rule, that have met one, and that are well are each stored and judged', async () => {
  const plant = await plantWith({ ...HOT, message: '{machine}' })
  const batch = (seq: number, press: number, oven: number) =>
    send(
      heat(plant, seq, press),
      heat(plant, seq, oven, { machine: 'oven' }),
      heat(plant, seq, 20, { machine: 'mill' }),
      heat(plant, seq, 20, { machine: 'mill' }),
    )
  const states = async () => (await alarmsOf(plant)).map(({ message, cleared_at }) => [message, cleared_at])
  await batch(1, 90, 20)
  expect(await states()).toEqual([['press', null]])
  await batch(2, 70, 20)
  expect(await states()).toEqual([['press', now + 2]])
  await batch(3, 70, 90)
  expect(await states()).toEqual([
    ['press', now + 2],
    ['oven', null],
  ])
  expect(await count('telemetry_events', plant)).toBe(9)
})
