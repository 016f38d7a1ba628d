import fc from 'fast-check'
import * as v from 'valibot'
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cutToRange } from '../../../lambdas/data/history-buckets.ts'
import type { Database } from '../../../lambdas/data/database.ts'
import { rollUpNext } from '../../../lambdas/data/roll-up.ts'
import { HOUR_MS } from '../../../lambdas/data/rollup-queue.ts'
import { type ReadingToStore, storeTelemetry } from '../../../lambdas/data/store-telemetry.ts'
import { openPostgres } from '../../../lambdas/runtime/postgres.ts'
import { History, MAX_TRENDS, Problem, TREND, Trends } from '../../../schemas/api.ts'
import { drawnBatches, steadyValues } from '../../helpers/drawn-readings.ts'
import { expectedCell, expectedChanges, readingsOfTag } from '../../helpers/expected-rollups.ts'
import { type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { createMachines, createTenant, createUser, type TestTenant } from '../../helpers/tenants.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * HOUR_MS
const thisHour = Math.floor(Date.now() / HOUR_MS)
/** Even, so that two hours from it on are one bucket. */
const start = (thisHour - 6 - (thisHour % 2)) * HOUR_MS

let api: HttpApi
let job: ReturnType<typeof openPostgres<Database>>
let tenant: TestTenant
let viewer: string
let seq = 1

beforeAll(async () => {
  api = await startHttpApi()
  const { PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD } = api.database.environment('iot_rollup')
  job = openPostgres<Database>({
    ...{ PGHOST: PGHOST!, PGPORT: Number(PGPORT), PGDATABASE: PGDATABASE!, PGUSER: PGUSER!, PGPASSWORD },
    AWS_REGION: 'us-east-1',
  })
  tenant = await createTenant(api.database.master, ['mill'])
  viewer = await createUser(api.database.master, tenant.tenantId, 'viewer', 'all')
})
afterAll(async () => {
  await job.close()
  await api.close()
})

/** Without a state, so that only what the tests store is there. */
async function newMachines(count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => uuid())
  await api.database.master.query(
    `insert into machines (id, tenant_id, plant_id, slug, created_at, updated_at)
     select id, $1, $2, 'm-' || id, 0, 0 from unnest($3::uuid[]) id`,
    [tenant.tenantId, tenant.plants[0]!.plantId, ids],
  )
  return ids
}

const get = (path: string) => api.request('GET', path, { as: viewer })

async function history(machine: string, tag: string, from: number, to: number, buckets?: number): Promise<History> {
  const query = `tag=${tag}&from=${from}&to=${to}${buckets === undefined ? '' : `&buckets=${buckets}`}`
  return v.parse(History, (await get(`/v1/machines/${machine}/history?${query}`)).body)
}

const store = (machineId: string, readings: [at: number, values: ReadingToStore['values']][]) =>
  storeTelemetry(
    api.database.master,
    readings.map(([timestamp, values]) => ({
      ...{ tenantId: tenant.tenantId, machineId, timestamp, seq: seq++, receivedAt: timestamp, values },
    })),
    0,
  )

const drain = async () => {
  while (await rollUpNext(job.db));
}

/** Hours from this one on are not rolled up. */
const rolledUpTo = (hour: number) => api.database.master.query('update rollup_progress set hour = $1', [hour])

interface Asked {
  tag: string
  from: number
  lengthMs: number
  buckets: number
}

const query: fc.Arbitrary<Asked> = fc.record({
  tag: fc.constantFrom('a', 'toString', 'hasOwnProperty'),
  from: fc.oneof(fc.integer({ min: start - HOUR_MS, max: start + 3 * HOUR_MS }), fc.constant(start - 20 * DAY_MS)),
  lengthMs: fc.oneof(
    fc.integer({ min: 1, max: 10 * MINUTE_MS }),
    fc.integer({ min: 1, max: 5 * HOUR_MS }),
    fc.integer({ min: 1, max: 40 * DAY_MS }),
  ),
  buckets: fc.oneof(fc.integer({ min: 2, max: 40 }), fc.integer({ min: 2, max: 2000 })),
})

function expectHistory(answer: History, all: ReturnType<typeof readingsOfTag>, asked: Asked): void {
  const [from, to] = [asked.from, asked.from + asked.lengthMs]
  if (answer.kind !== 'string') {
    const spans = answer.bad.flat()
    expect(spans).toEqual(spans.toSorted((one, two) => one - two))
    for (const { at } of all.filter(({ at, value }) => value === null && at >= from && at < to))
      expect(answer.bad.some((span) => span[0] <= at && at < span[1])).toBe(true)
    // Without a kind the answer does not say how long its buckets were.
    const bucketMs = answer.kind === null ? 50 * DAY_MS : Math.max(answer.bucketMs, MINUTE_MS)
    for (const [start] of answer.bad)
      expect(all.some(({ at, value }) => value === null && at >= start && at < start + bucketMs)).toBe(true)
  }
  expect(answer.points.length).toBeLessThanOrEqual(asked.buckets)
  if (answer.kind === null) {
    expect(all.filter(({ at, value }) => value !== null && at >= from && at < to)).toEqual([])
    return
  }
  if (answer.kind === 'string') {
    const first = all.find(({ at }) => at >= from && at < to)
    if (answer.bucketMs > 0 || !first) return
    const silence = { at: Date.now(), seq: 0, value: null }
    const known = { from: first.at, to: Math.min(to, Date.now()) }
    expect(cutToRange(answer.points, known)).toEqual(cutToRange(expectedChanges([...all, silence], 1), known))
    return
  }
  const { kind, bucketMs } = answer
  if (bucketMs === 0) {
    const inside = all.filter(({ at, value }) => typeof value === kind && at >= from && at < to)
    expect(answer.points).toEqual(inside.map(({ at, value }) => [at, Number(value), Number(value), Number(value), 1]))
    return
  }
  expect([answer.from % bucketMs, answer.to % bucketMs]).toEqual([0, 0])
  expect(answer.from <= from && from - answer.from < bucketMs && answer.to >= to && answer.to - to < bucketMs).toBe(
    true,
  )
  const cellMs = Math.min(bucketMs, MINUTE_MS)
  const cells = [...new Set(all.map(({ at }) => Math.floor(at / cellMs) * cellMs))]
    .filter((at) => at >= answer.from && at < answer.to)
    .flatMap((at) => ({ at, cell: expectedCell(all, kind, at, at + cellMs) }))
    .filter(({ cell }) => cell !== undefined)
  const expected = [...Map.groupBy(cells, ({ at }) => Math.floor(at / bucketMs) * bucketMs)].map(([at, inside]) => {
    const sum = (what: 'sum' | 'weight' | 'count') => inside.reduce((total, { cell }) => total + cell![what], 0)
    const min = Math.min(...inside.map(({ cell }) => cell!.min))
    const average = sum('weight') === 0 ? min : sum('sum') / sum('weight')
    return [
      at,
      min,
      expect.closeTo(average, 6) as number,
      Math.max(...inside.map(({ cell }) => cell!.max)),
      sum('count'),
    ]
  })
  expect(answer.points).toEqual(expected.toSorted(([one], [two]) => Number(one) - Number(two)))
}

describe('history', () => {
  it('is what the raw readings come to, however much of them is rolled up, waits, or has come late', async () => {
    await fc.assert(
      fc.asyncProperty(
        drawnBatches(steadyValues, 1000),
        fc.array(query, { minLength: 3, maxLength: 6 }),
        fc.infiniteStream(fc.tuple(fc.boolean(), fc.nat(6))),
        async (draw, queries, random) => {
          const machines = await newMachines(2)
          const batches = draw({ tenantId: tenant.tenantId, machines, start })
          for (const [index, batch] of batches.entries()) {
            await storeTelemetry(api.database.master, batch, 0)
            const [rollUp, progress] = random.next().value as [boolean, number]
            if (rollUp) await rollUpNext(job.db)
            await rolledUpTo(thisHour - progress)
            const asked = queries[index % queries.length]!
            const machine = machines[index % 2]!
            const stored = batches
              .slice(0, index + 1)
              .flat()
              .filter(({ machineId }) => machineId === machine)
            const answer = await history(machine, asked.tag, asked.from, asked.from + asked.lengthMs, asked.buckets)
            expectHistory(answer, readingsOfTag(stored, asked.tag), asked)
          }
          await drain()
        },
      ),
      { numRuns: 60 },
    )
  })

  it('keeps a spike of one reading in a month, and the gap of a week', async () => {
    const [machine] = await newMachines(1)
    const from = start - 20 * DAY_MS
    const steady = Array.from({ length: 20 * 24 }, (_, hour) => from + hour * HOUR_MS)
      .filter((at) => at < from + 5 * DAY_MS || at >= from + 12 * DAY_MS)
      .map((at): [number, { a: number }] => [at, { a: 20 }])
    await rolledUpTo(thisHour)
    await store(machine!, [...steady, [from + 3 * DAY_MS + 7, { a: 900 }]])
    await drain()
    const { points, bucketMs } = await history(machine!, 'a', from, from + 20 * DAY_MS, 100)
    expect(bucketMs).toBe(6 * HOUR_MS)
    expect(points.map(([at]) => at)).not.toContain(from + 8 * DAY_MS - ((from + 8 * DAY_MS) % bucketMs))
    expect(points).toHaveLength(new Set(steady.map(([at]) => Math.floor(at / bucketMs))).size)
    expect(Math.max(...points.map((point) => Number(point[3])))).toBe(900)
  })

  it('shows of a day that was dropped its minutes also at a close look, whatever the retention is by now', async () => {
    const [machine] = await newMachines(1)
    await rolledUpTo(thisHour)
    await store(machine!, [[start, { a: 20 }]])
    await drain()
    await api.database.master.query('delete from telemetry_events where machine_id = $1', [machine])
    const droppedBefore = (day: number) =>
      api.database.master.query('update rollup_progress set dropped_before = $1', [day])
    await droppedBefore(Math.floor(start / DAY_MS) + 1)
    const { points } = await history(machine!, 'a', start, start + HOUR_MS, 2000)
    await droppedBefore(0)
    expect(points).toEqual([[start - (start % MINUTE_MS), 20, 20, 20, 1]])
  })

  it('tells for how long a boolean was true, not how often it was said', async () => {
    const [machine] = await newMachines(1)
    await rolledUpTo(thisHour)
    await store(machine!, [
      [start, { on: true }],
      ...[45_000, 46_000, 47_000, 48_000].map((ms): [number, { on: boolean }] => [start + ms, { on: false }]),
    ])
    const asRaw = await history(machine!, 'on', start, start + 24 * HOUR_MS, 1000)
    await drain()
    expect(await history(machine!, 'on', start, start + 24 * HOUR_MS, 1000)).toEqual(asRaw)
    expect(asRaw).toMatchObject({
      kind: 'boolean',
      bucketMs: 120_000,
      points: [[start - (start % 120_000), 0, 0.75, 1, 5]],
    })
  })

  it('tells when there was no value, from the raw readings and from the rollups', async () => {
    const [machine] = await newMachines(1)
    await rolledUpTo(thisHour)
    const at = (minutes: number) => start + minutes * MINUTE_MS
    const values = [
      [0, 1],
      [2, null],
      [3, null],
      [6, 2],
      [20, null],
      [21, 3],
      [40, null],
    ] as const
    await store(
      machine!,
      values.map(([minutes, a]): [number, { a: number | null }] => [at(minutes), { a }]),
    )
    const bad = [
      [at(2), at(6)],
      [at(20), at(21)],
      [at(40), at(45)],
    ]
    const range = [start, start + 2 * HOUR_MS] as const
    expect(await history(machine!, 'a', ...range, 2000)).toMatchObject({ bucketMs: 0, bad })
    expect(await history(machine!, 'a', ...range, 120)).toMatchObject({ bucketMs: MINUTE_MS, bad })
    await drain()
    expect(await history(machine!, 'a', ...range, 120)).toMatchObject({ bucketMs: MINUTE_MS, bad })
    expect(await history(machine!, 'a', at(40), at(50), 2)).toMatchObject({ bad: [[at(40), at(45)]], points: [] })
    const day = start - (start % DAY_MS)
    expect(await history(machine!, 'a', start - DAY_MS, start + DAY_MS, 3)).toMatchObject({
      ...{ bucketMs: DAY_MS, bad: [[day, expect.any(Number)]] },
    })
  })

  it('gives a string’s changes, and when it was no longer known', async () => {
    const [machine] = await newMachines(1)
    await rolledUpTo(thisHour)
    const at = (minutes: number) => start + minutes * MINUTE_MS
    await store(
      machine!,
      [
        [0, 'RUN'],
        [3, 'RUN'],
        [4, 'STOP'],
        [7, 'STOP'],
        [20, 'STOP'],
        [22, null],
        [58, 'RUN'],
        [61, 'RUN'],
      ].map(([minutes, state]): [number, { state: string | null }] => [
        at(minutes as number),
        { state: state as string | null },
      ]),
    )
    const expected = [
      [at(0), 'RUN'],
      [at(4), 'STOP'],
      [at(12), null],
      [at(20), 'STOP'],
      [at(22), null],
      [at(58), 'RUN'],
      [at(66), null],
    ]
    const asRaw = await history(machine!, 'state', start, start + 5 * HOUR_MS)
    await drain()
    const asRolledUp = await history(machine!, 'state', start - 6 * HOUR_MS, start + 5 * HOUR_MS)
    expect([asRaw.points, asRolledUp.points]).toEqual([expected, expected])
    expect(await history(machine!, 'state', at(5), at(10))).toMatchObject({ points: [[at(7), 'STOP']] })
    const few = await history(machine!, 'state', start, start + 5 * HOUR_MS, 3)
    expect(few).toMatchObject({ bucketMs: 2 * HOUR_MS, points: [[at(66), null]] })
  })

  it('looks less closely where there are more readings than anybody can see', async () => {
    const [machine] = await newMachines(1)
    const readings = Array.from({ length: 26_000 }, (_, index): [number, { a: number }] => [
      start + index * 100,
      { a: index },
    ])
    for (let from = 0; from < readings.length; from += 5000) await store(machine!, readings.slice(from, from + 5000))
    await rolledUpTo(thisHour)
    const all = await history(machine!, 'a', start, start + HOUR_MS, 2000)
    expect(all.bucketMs).toBe(MINUTE_MS)
    const part = await history(machine!, 'a', start, start + 10 * MINUTE_MS, 2000)
    expect(part).toMatchObject({ bucketMs: 1000, from: start, to: start + 10 * MINUTE_MS })
    expect(part.points).toHaveLength(600)
    expect(part.points[1]).toEqual([start + 1000, 10, 14.5, 19, 10])
  })

  it('shows a tag that has changed its kind as what it was last', async () => {
    const [machine] = await newMachines(1)
    await store(machine!, [
      [start, { a: 1 }],
      [start + 2 * HOUR_MS, { a: 'one' }],
    ])
    await rolledUpTo(thisHour)
    expect(await history(machine!, 'a', start, start + 5 * HOUR_MS)).toMatchObject({ kind: 'string' })
    expect(await history(machine!, 'a', start, start + HOUR_MS)).toMatchObject({ kind: 'number' })
    await drain()
    expect(await history(machine!, 'a', start - DAY_MS, start + 5 * HOUR_MS)).toMatchObject({ kind: 'string' })
    expect(await history(machine!, 'a', start - DAY_MS, start + HOUR_MS)).toMatchObject({ kind: 'number' })
  })

  it.each(['__proto__', 'constructor', 'toString'])('of a tag named %s that was never sent is empty', async (tag) => {
    const [machine] = await newMachines(1)
    await store(machine!, [[start, { a: 1 }]])
    for (const length of [HOUR_MS, 30 * DAY_MS])
      expect(await history(machine!, tag, start, start + length)).toMatchObject({ kind: null, points: [] })
  })

  it.each([
    ['tag=a&from=2&to=2', 'to'],
    ['tag=a&from=3&to=2', 'to'],
    ['tag=a&from=0&to=999999999999999', 'from'],
    ['tag=a&from=-1&to=2', 'from'],
    ['tag=a&from=1e3&to=2', 'from'],
    ['tag=a&from=0', 'to'],
    ['tag=a,b&from=0&to=2', 'tag'],
    ['from=0&to=2', 'tag'],
    ['tag=a&from=0&to=2&buckets=1', 'buckets'],
    ['tag=a&from=0&to=2&buckets=2001', 'buckets'],
  ])('refuses ?%s', async (text, path) => {
    const [machine] = await newMachines(1)
    const { status, body } = await get(`/v1/machines/${machine}/history?${text}`)
    expect(status).toBe(400)
    expect(v.parse(Problem, body).errors?.map((error) => error.path)).toEqual([path])
  })
})

describe('events', () => {
  const Page = v.object({ items: v.array(v.looseObject({ seq: v.number() })), nextCursor: v.nullable(v.string()) })

  it('come newest first, in pages that what arrives meanwhile does not shift', async () => {
    const [machine] = await newMachines(1)
    const first = seq
    await store(machine!, [...[1, 2, 2, 2, 3].map((at): [number, { a: number }] => [start + at, { a: at }])])
    const page = async (cursor: string | null) =>
      v.parse(Page, (await get(`/v1/machines/${machine}/events?limit=2${cursor ? `&cursor=${cursor}` : ''}`)).body)
    const one = await page(null)
    await store(machine!, [[start + 4, { a: 4 }]])
    const two = await page(one.nextCursor)
    const three = await page(two.nextCursor)
    expect([one, two, three].flatMap(({ items }) => items.map((item) => item.seq - first))).toEqual([4, 3, 2, 1, 0])
    expect(three.nextCursor).toBeNull()
    expect(one.items[0]).toEqual({ timestamp: start + 3, seq: first + 4, receivedAt: start + 3, values: { a: 3 } })
  })

  it('are those of the range', async () => {
    const [machine] = await newMachines(1)
    await store(
      machine!,
      [1, 2, 3].map((at): [number, { a: number }] => [start + at, { a: at }]),
    )
    const { body } = await get(`/v1/machines/${machine}/events?from=${start + 1}&to=${start + 3}`)
    expect(v.parse(Page, body).items.map(({ values }) => values)).toEqual([{ a: 2 }, { a: 1 }])
  })

  it.each([
    ['from=2&to=2', 'to'],
    ['cursor=eyJhZnRlciI6Im0ifQ', 'cursor'],
    ['to=x', 'to'],
  ])('refuse ?%s', async (text, path) => {
    const [machine] = await newMachines(1)
    const { status, body } = await get(`/v1/machines/${machine}/events?${text}`)
    expect([status, v.parse(Problem, body).errors?.map((error) => error.path)]).toEqual([400, [path]])
  })
})

describe('tags', () => {
  it('have a kind, a unit, and the newest value with its time and quality', async () => {
    const [machine] = await newMachines(1)
    await store(machine!, [[start, { lost: 5, name: 'x', toString: true }]])
    await store(machine!, [[start + 1, { lost: null, a: 1 }]])
    await api.database.master.query(`update machines set units = '{"a": "°C"}' where id = $1`, [machine])
    await api.database.master.query(`update machine_state set quality = '{"lost": "bad"}' where machine_id = $1`, [
      machine,
    ])
    await drain()
    const { body } = await get(`/v1/machines/${machine}/tags?limit=3`)
    const tag = (name: string, kind: string, value: unknown, timestamp: number, more: object = {}) => ({
      ...{ tag: name, kind, value, timestamp, unit: null, quality: 'good' },
      ...more,
    })
    expect(body).toMatchObject({
      items: [
        tag('a', 'number', 1, start + 1, { unit: '°C' }),
        tag('lost', 'number', null, start + 1, { quality: 'bad' }),
        tag('name', 'string', 'x', start),
      ],
    })
    const { nextCursor } = body as { nextCursor: string }
    const rest = await get(`/v1/machines/${machine}/tags?limit=3&cursor=${nextCursor}`)
    expect(rest.body).toEqual({ items: [tag('toString', 'boolean', true, start)], nextCursor: null })
  })
})

it('is 404 for a machine of another plant or tenant', async () => {
  const { master } = api.database
  const other = await createTenant(master, ['mill'])
  const [theirs] = await createMachines(master, other.tenantId, other.plants[0]!.plantId, 1)
  const [ours] = await newMachines(1)
  const elsewhere = await createUser(master, tenant.tenantId, 'admin', [uuid()])
  for (const path of ['tags', 'events', `history?tag=a&from=0&to=1`]) {
    expect(await get(`/v1/machines/${theirs}/${path}`)).toMatchObject({ status: 404, body: { code: 'not_found' } })
    expect((await api.request('GET', `/v1/machines/${ours}/${path}`, { as: elsewhere })).status).toBe(404)
  }
})

describe('trends', () => {
  const path = () => `/v1/plants/${tenant.plants[0]!.plantId}/trends`
  const ask = (machines: { machineId: string; tags: string[] }[], as = viewer) =>
    api.request('POST', path(), { as, body: { machines } })
  const { stepMs, steps } = TREND

  it('give the first number of each step before the newest reading of each machine, of some of its tags', async () => {
    const [often, long, never] = (await newMachines(3)) as [string, string, string]
    const now = Math.floor(Date.now() / stepMs) * stepMs
    const at = (step: number, ms = 0) => now - (steps - 1 - step) * stepMs + ms
    await store(often, [
      [at(-1, 9_999), { a: -1 }],
      [at(0), { b: 'text' }],
      [at(0, 9_998), { a: 2 }],
      [at(0, 9_999), { a: 1 }],
      // The tag that is read seldom is not in the first reading of its step.
      [at(10), { a: 4 }],
      [at(10, 5_000), { a: 3, slow: 0.5 }],
      [at(20), { a: null }],
      [at(20, 1), { a: 5 }],
      [at(59, 10), { a: 6, b: 7 }],
    ])
    const longAgo = now - DAY_MS
    await store(long, [[longAgo, { a: 1e308 }]])
    const answer = await ask([
      { machineId: often, tags: ['a', 'b', 'slow', 'missing'] },
      { machineId: long, tags: ['a'] },
      { machineId: never, tags: ['a'] },
    ])
    expect(answer.status).toBe(200)
    const trends = v.parse(Trends, answer.body)
    expect(trends.stepMs).toBe(stepMs)
    const row = (points: Record<number, number>) => Array.from({ length: steps }, (_, step) => points[step] ?? null)
    expect(trends.items.toSorted((one, two) => two.from - one.from)).toEqual([
      {
        machineId: often,
        from: at(0),
        values: { a: row({ 0: 2, 10: 4, 59: 6 }), b: row({ 59: 7 }), slow: row({ 10: 0.5 }), missing: row({}) },
      },
      { machineId: long, from: longAgo - (steps - 1) * stepMs, values: { a: row({ 59: 1e308 }) } },
    ])
  })

  it('leave out what was of bad quality', async () => {
    const [machineId] = (await newMachines(1)) as [string]
    const now = Math.floor(Date.now() / stepMs) * stepMs
    const reading = { tenantId: tenant.tenantId, machineId, receivedAt: now, values: { a: 1, b: 2 } }
    await storeTelemetry(
      api.database.master,
      [{ ...reading, timestamp: now, seq: seq++, quality: { a: 'bad', b: 'uncertain' } }],
      0,
    )
    const { items } = v.parse(Trends, (await ask([{ machineId, tags: ['a', 'b'] }])).body)
    expect([items[0]!.values['a']!.at(-1), items[0]!.values['b']!.at(-1)]).toEqual([null, 2])
  })

  it('are of one plant that the user may see, and of so many tags', async () => {
    const [ours] = (await newMachines(1)) as [string]
    const elsewhere = await createTenant(api.database.master, ['other'])
    const [theirs] = await createMachines(api.database.master, elsewhere.tenantId, elsewhere.plants[0]!.plantId, 1)
    const none = await createUser(api.database.master, tenant.tenantId, 'viewer', [])
    expect((await ask([{ machineId: ours, tags: ['a'] }], none)).status).toBe(404)
    for (const machineId of [theirs!, uuid()])
      expect(await ask([ours, machineId].map((id) => ({ machineId: id, tags: ['a'] })))).toMatchObject({ status: 404 })
    const tags = Array.from({ length: MAX_TRENDS }, (_, tag) => `t-${tag}`)
    expect((await ask([{ machineId: ours, tags }])).status).toBe(200)
    expect(await ask([ours, ours].map((machineId) => ({ machineId, tags })))).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'machines', message: `must name at most ${MAX_TRENDS} tags in all` }] },
    })
  })
})
