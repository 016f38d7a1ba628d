import fc from 'fast-check'
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database, Rollups } from '../../lambdas/data/database.ts'
import { rollUpNext } from '../../lambdas/data/roll-up.ts'
import { enqueueFinishedHours, HOUR_MS, isRolledUpBefore } from '../../lambdas/data/rollup-queue.ts'
import { type ReadingToStore, storeTelemetry } from '../../lambdas/data/store-telemetry.ts'
import { openPostgres } from '../../lambdas/runtime/postgres.ts'
import { drawnBatches, mixedValues } from '../helpers/drawn-readings.ts'
import { expectedRollups } from '../helpers/expected-rollups.ts'
import { lambdaContext } from '../helpers/lambda-context.ts'
import { createDatabase, type TestDatabase } from '../helpers/postgres.ts'

let database: TestDatabase
/** Each a job of its own, with its own connection, in the job's role. */
let jobs: ReturnType<typeof openJob>[]
const tenantId = uuid()
const thisHour = Math.floor(Date.now() / HOUR_MS)
const start = (thisHour - 5) * HOUR_MS
let seq = 1

const openJob = () => openPostgres<Database>({ ...jobSettings(), AWS_REGION: 'us-east-1' })

function jobSettings() {
  const { PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD } = database.environment('iot_rollup')
  return { PGHOST: PGHOST!, PGPORT: Number(PGPORT), PGDATABASE: PGDATABASE!, PGUSER: PGUSER!, PGPASSWORD }
}

beforeAll(async () => {
  database = await createDatabase()
  jobs = [openJob(), openJob(), openJob()]
})
afterAll(async () => {
  await Promise.all(jobs.map((job) => job.close()))
  await database.close()
})

const drain = async (job = jobs[0]!) => {
  while (await rollUpNext(job.db));
}

const reading = (
  machineId: string,
  timestamp: number,
  values: ReadingToStore['values'],
  quality = {},
): ReadingToStore => ({
  ...{ tenantId, machineId, timestamp, seq: seq++, receivedAt: timestamp, values },
  ...(Object.keys(quality).length > 0 && { quality }),
})

async function rollupsOf(machineId: string): Promise<Rollups[]> {
  const { rows } = await database.master.query<Rollups>(
    'select * from rollups where machine_id = $1 order by tag, hour, kind',
    [machineId],
  )
  return rows
}

const queued = async () =>
  (await database.master.query<{ hour: number; machine_id: string }>('select hour, machine_id from rollup_queue')).rows

/** Every row of the machine is what its readings come to, and there is no other one. */
async function expectRolledUp(machineId: string, readings: ReadingToStore[]): Promise<void> {
  expect(await rollupsOf(machineId)).toMatchObject(expectedRollups(readings))
}

test('the rollups are what the readings come to, in whatever order and batches they came', async () => {
  await fc.assert(
    fc.asyncProperty(drawnBatches(mixedValues), fc.infiniteStream(fc.boolean()), async (draw, random) => {
      const machines = [uuid(), uuid()]
      const batches = draw({ tenantId, machines, start })
      for (const batch of batches) {
        await storeTelemetry(database.master, batch, 0)
        if (random.next().value) await rollUpNext(jobs[0]!.db)
      }
      await drain()
      for (const machine of machines)
        await expectRolledUp(
          machine,
          batches.flat().filter(({ machineId }) => machineId === machine),
        )
      expect(await queued()).toEqual([])
    }),
    { numRuns: 40 },
  )
})

test('three jobs at once, one of which dies again and again, and data that comes late: nothing is missing', async () => {
  const machines = [uuid(), uuid()]
  const batches = fc
    .sample(drawnBatches(mixedValues), 25)
    .flatMap((draw, index) =>
      draw({ tenantId, machines, start }).map((batch) => batch.map((one) => ({ ...one, seq: one.seq + index * 1000 }))),
    )
  let writing = true
  const work = async (job: (typeof jobs)[number]) => {
    while (writing || (await queued()).length > 0) await rollUpNext(job.db).catch(() => undefined)
  }
  const killing = (async () => {
    while (writing)
      await database.master.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and usename = 'iot_rollup'
         and xact_start is not null order by random() limit 1`,
        [database.name],
      )
  })()
  const working = jobs.map(work)
  for (const batch of batches) await storeTelemetry(database.master, batch, 0)
  writing = false
  await Promise.all([...working, killing])
  for (const machine of machines)
    await expectRolledUp(
      machine,
      batches.flat().filter(({ machineId }) => machineId === machine),
    )
})

test('a reading that is committed while its hour is read leaves the hour on the queue', async () => {
  const machine = uuid()
  const readings = [reading(machine, start + 1, { a: 1 }), reading(machine, start + 2, { a: 2 })]
  await storeTelemetry(database.master, [readings[0]!], 0)
  // The job has taken the hour and waits for the lock to read it; meanwhile the late reading is committed.
  const blocker = await database.master.connect()
  await blocker.query('begin')
  await blocker.query('lock table rollups in access exclusive mode')
  const rolling = rollUpNext(jobs[0]!.db)
  await expect
    .poll(async () => (await database.master.query(`select from pg_locks where not granted`)).rowCount)
    .toBeGreaterThan(0)
  await storeTelemetry(database.master, [readings[1]!], 0)
  // A second job leaves an hour alone that the first one holds.
  expect(await rollUpNext(jobs[1]!.db)).toBe(false)
  await blocker.query('commit')
  blocker.release()
  expect(await rolling).toBe(true)
  expect(await queued()).toEqual([{ hour: start / HOUR_MS, machine_id: machine }])
  await drain()
  await expectRolledUp(machine, readings)
})

test('each hour that is over is put on the queue once, for the machines heard since it began', async () => {
  await database.master.query('update rollup_progress set hour = $1', [thisHour - 4])
  await database.master.query('delete from machine_state')
  const [old, steady, recent] = [uuid(), uuid(), uuid()]
  await storeTelemetry(
    database.master,
    [
      reading(old, (thisHour - 4) * HOUR_MS - 1, { a: 1 }),
      reading(steady, (thisHour - 2) * HOUR_MS, { a: 1 }),
      reading(recent, thisHour * HOUR_MS, { a: 1 }),
    ],
    0,
  )
  await database.master.query('delete from rollup_queue') // as if they had come in time
  await Promise.all(jobs.map((job) => enqueueFinishedHours(job.db)))
  await enqueueFinishedHours(jobs[0]!.db)
  const last = Math.floor((Date.now() - 120_000) / HOUR_MS) - 1
  const hoursOf = async (machine: string) =>
    (await queued()).flatMap(({ hour, machine_id }) => (machine_id === machine ? [hour] : [])).toSorted((a, b) => a - b)
  const all = Array.from({ length: last - (thisHour - 4) + 1 }, (_, index) => thisHour - 4 + index)
  expect(await hoursOf(old)).toEqual([])
  expect(await hoursOf(recent)).toEqual(all)
  expect(await hoursOf(steady)).toEqual(all.filter((hour) => hour <= thisHour - 2))
  expect(await isRolledUpBefore(jobs[0]!.db, thisHour - 4)).toBe(true)
  expect(await isRolledUpBefore(jobs[0]!.db, thisHour - 3)).toBe(false)
  await drain()
  expect(await isRolledUpBefore(jobs[0]!.db, last + 1)).toBe(true)
  expect(await isRolledUpBefore(jobs[0]!.db, last + 3)).toBe(false)
})

test('an hour is put on the queue only when a consumer that began in it has committed', async () => {
  const machine = uuid()
  await database.master.query('update rollup_progress set hour = $1', [thisHour - 2])
  await database.master.query('delete from machine_state')
  const consumer = await database.master.connect()
  await consumer.query('begin')
  await storeTelemetry(consumer, [reading(machine, start, { a: 1 })], 0)
  await consumer.query('update machine_state set ts = $1', [(thisHour - 2) * HOUR_MS])
  await consumer.query('delete from rollup_queue') // as if it had come in time
  const enqueuing = enqueueFinishedHours(jobs[0]!.db)
  await expect
    .poll(async () => (await database.master.query(`select from pg_locks where not granted`)).rowCount)
    .toBe(1)
  expect(await queued()).toEqual([])
  await consumer.query('commit')
  consumer.release()
  await enqueuing
  expect(await queued()).toContainEqual({ hour: thisHour - 2, machine_id: machine })
  await drain()
})

test('the greatest numbers there are do not add up to infinity', async () => {
  const machine = uuid()
  const most = Number.MAX_VALUE
  await storeTelemetry(
    database.master,
    [1, 2, 3].map((at) => reading(machine, start + at, { a: most })),
    0,
  )
  await drain()
  expect(await rollupsOf(machine)).toMatchObject([{ count: 3, min: most, max: most, sum: most, last: most }])
})

test('an hour of many readings goes in pages, and the job stops when its time is short', async () => {
  const machine = uuid()
  const readings = Array.from({ length: 11_000 }, (_, index) =>
    // Many at the same instant: the page ends between two of them.
    reading(machine, start + Math.floor(index / 4000) * 1000, { a: index }),
  )
  await storeTelemetry(database.master, readings, 0)
  Object.assign(process.env, database.environment('iot_rollup'), { POWERTOOLS_SERVICE_NAME: 'rollup' })
  const { handler } = await import('../../lambdas/rollup/rollup.lambda.ts')
  const withMs = (ms: number) => handler({}, { ...lambdaContext, getRemainingTimeInMillis: () => ms })
  expect(await withMs(19_000)).toEqual({ rolledUp: 0 })
  expect(await withMs(30_000)).toEqual({ rolledUp: 1 })
  expect(await rollupsOf(machine)).toMatchObject([{ count: 11_000, last: 10_999, sum: (11_000 * 10_999) / 2 }])
})
