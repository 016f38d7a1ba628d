import { v7 as uuid } from 'uuid'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import type { Database } from '../../lambdas/data/database.ts'
import {
  deleteOldAlarms,
  deleteOldDeadLetters,
  deleteOldRollups,
  dropOldPartitions,
} from '../../lambdas/data/drop-old-data.ts'
import { DAY_MS, oldestHotDay } from '../../lambdas/data/partitions.ts'
import { HOUR_MS } from '../../lambdas/data/rollup-queue.ts'
import { storeTelemetry } from '../../lambdas/data/store-telemetry.ts'
import { openPostgresAsMaster } from '../../lambdas/runtime/postgres.ts'
import { createPlant } from '../helpers/plant.ts'
import { createDatabase, type TestDatabase } from '../helpers/postgres.ts'

const HOT_DAYS = 30
const now = Date.now()
const oldest = oldestHotDay(now, HOT_DAYS)
const [tenantId, machineId] = [uuid(), uuid()]
let database: TestDatabase
let master: ReturnType<typeof openPostgresAsMaster<Database>>
let consumers: pg.Pool
let seq = 1

beforeAll(async () => {
  database = await createDatabase()
  const { host, port, user, password } = inject('postgres')
  master = openPostgresAsMaster<Database>({ host, port, username: user, password, dbname: database.name }, false)
  const { PGHOST: role, PGUSER } = database.environment('iot_ingest')
  consumers = new pg.Pool({
    ...{ host: role, port, user: PGUSER, password: database.environment('iot_ingest')['PGPASSWORD'] },
    database: database.name,
  })
})
afterAll(async () => {
  await consumers.end()
  await master.close()
  await database.close()
})

const nameOf = (day: number) => `telemetry_events_${new Date(day).toISOString().slice(0, 10).replaceAll('-', '')}`
const daysAgo = (days: number) => oldest - days * DAY_MS
const store = (timestamp: number) =>
  storeTelemetry(
    consumers,
    [{ tenantId, machineId, timestamp, seq: seq++, receivedAt: timestamp, values: { a: 1 } }],
    oldest,
  )
const drop = () => dropOldPartitions(master.db, now, HOT_DAYS)

async function tables(): Promise<string[]> {
  const { rows } = await database.master.query<{ relname: string }>(
    `select relname from pg_class where relkind = 'r' and relname < $1 and relname ~ '^telemetry_events_' order by 1`,
    [nameOf(oldest)],
  )
  return rows.map(({ relname }) => relname)
}

/** Holds what an insert holds of the table. */
async function consumerInMidTransaction(): Promise<pg.PoolClient> {
  const client = await consumers.connect()
  await client.query('begin')
  await client.query('lock table telemetry_events in row exclusive mode')
  return client
}

/** Four days that are no longer hot. */
beforeEach(async () => {
  await database.master.query(
    `select ensure_partitions(to_timestamp($1::int8 / 1000)::date, to_timestamp($2::int8 / 1000)::date)`,
    [daysAgo(4), daysAgo(1)],
  )
  await database.master.query('update rollup_progress set hour = $1, dropped_before = 0', [Math.floor(now / HOUR_MS)])
})

test('days that are no longer hot go, except the one that a running consumer may still write', async () => {
  expect(await drop()).toEqual({ partitions: [4, 3, 2].map((days) => nameOf(daysAgo(days))), waiting: 0 })
  expect(await tables()).toEqual([nameOf(daysAgo(1))])
  expect(await drop()).toEqual({ partitions: [], waiting: 0 })
})

test('a day that is not rolled up stays, and all that follow', async () => {
  await database.master.query('insert into rollup_queue values ($1, $2, $3)', [
    tenantId,
    machineId,
    daysAgo(3) / HOUR_MS + 23,
  ])
  expect(await drop()).toEqual({ partitions: [nameOf(daysAgo(4))], waiting: 2 })
  await database.master.query('delete from rollup_queue')
  await database.master.query('update rollup_progress set hour = $1', [daysAgo(2) / HOUR_MS])
  expect(await drop()).toEqual({ partitions: [nameOf(daysAgo(3))], waiting: 1 })
})

test('a day with readings that are not in the archive stays, and all that follow', async () => {
  const day = daysAgo(3)
  await storeTelemetry(
    consumers,
    [{ tenantId, machineId, timestamp: day, seq: 1e6, receivedAt: day, values: { a: 1 } }],
    day,
  )
  await database.master.query('delete from rollup_queue')
  expect(await drop()).toEqual({ partitions: [nameOf(daysAgo(4))], waiting: 2 })
  // Verified, but by another count than the partition has.
  await database.master.query(`insert into tenants (id, slug, name, created_at) values ($1, 'acme', 'Acme', 0)`, [
    tenantId,
  ])
  await database.master.query('insert into archive_days (tenant_id, day, verified_at) values ($1, $2, 1)', [
    tenantId,
    day / DAY_MS,
  ])
  expect(await drop()).toEqual({ partitions: [], waiting: 2 })
  await database.master.query(`insert into archive_files values ($1, $2, $3, 'live', 1, 1, 1, '', 1, $4, 1, 1)`, [
    uuid(),
    tenantId,
    day / DAY_MS,
    machineId,
  ])
  expect(await drop()).toEqual({ partitions: [nameOf(daysAgo(3)), nameOf(daysAgo(2))], waiting: 0 })
})

test('consumers store while a day is dropped, also when the drop has to wait for one of them', async () => {
  const slow = await consumerInMidTransaction()
  const dropping = drop()
  await expect
    .poll(async () => (await database.master.query('select from pg_locks where not granted')).rowCount)
    .toBeGreaterThan(0)
  for (let n = 0; n < 50; n += 1) expect((await store(oldest + n)).outcomes).toEqual(['new'])
  expect(await tables()).toContain(nameOf(daysAgo(4)))
  await slow.query('commit')
  slow.release()
  let storing = true
  const busy = (async () => {
    let stored = 0
    while (storing) stored += (await store(oldest + seq)).outcomes.length
    return stored
  })()
  expect(await dropping).toMatchObject({ waiting: 0 })
  storing = false
  expect(await busy).toBeGreaterThan(0)
  expect(await tables()).toEqual([nameOf(daysAgo(1))])
})

test('what an earlier run has left half done is finished', async () => {
  const slow = await consumerInMidTransaction()
  const broken = await database.master.connect()
  await broken.query('set lock_timeout = 50')
  await expect(
    broken.query(`alter table telemetry_events detach partition ${nameOf(daysAgo(4))} concurrently`),
  ).rejects.toThrow('lock timeout')
  await slow.query('rollback')
  slow.release()
  broken.release(true)
  await database.master.query(`alter table telemetry_events detach partition ${nameOf(daysAgo(3))}`)
  expect(await drop()).toEqual({ partitions: [4, 3, 2].map((days) => nameOf(daysAgo(days))), waiting: 0 })
  expect(await tables()).toEqual([nameOf(daysAgo(1))])
})

test('rollups are deleted when their days are over, and no others', async () => {
  const first = oldestHotDay(now, 90) / HOUR_MS
  await database.master.query(
    `insert into rollups (tenant_id, machine_id, tag, hour, kind, count)
     select $1, $2, 'a', hour, 'number', 1 from generate_series($3::int8 - 25000, $3::int8 + 2) hour`,
    [tenantId, machineId, first],
  )
  // The first 20,000 take all the time there is; the rest goes with the next run.
  expect(await deleteOldRollups(master.db, now, 90, -1)).toBe(20_000)
  expect(await deleteOldRollups(master.db, now, 90, 1000)).toBe(5000)
  const { rows } = await database.master.query<{ hour: number }>('select hour from rollups order by 1')
  expect(rows.map(({ hour }) => hour)).toEqual([first, first + 1, first + 2])
})

test('dead letters are deleted when history forgets their day, except those that are on their way back', async () => {
  const first = oldestHotDay(now, 90)
  await database.master.query(
    `insert into quarantine (id, message_id, queue, code, message, quarantined_at, redrive_at, body, payload_bytes, payload_head)
     select gen_random_uuid(), name, 'telemetry', 'invalid_json', '', at, redrive_at, '', 0, ''
     from (values ('old', $1::int8 - 1, null::int8), ('on its way', $1::int8 - 1, 1), ('kept', $1::int8, null)) v(name, at, redrive_at)`,
    [first],
  )
  expect(await deleteOldDeadLetters(master.db, now, 90, 1000)).toBe(1)
  const { rows } = await database.master.query<{ message_id: string }>('select message_id from quarantine order by 1')
  expect(rows.map(({ message_id }) => message_id)).toEqual(['kept', 'on its way'])
})

test('alarms are deleted with what was said of them when history forgets the day of their end, and open ones never', async () => {
  const first = oldestHotDay(now, 90)
  const plant = await createPlant(database.master, 'old-alarms')
  await database.master.query(
    `with a as (
       insert into alarms (id, tenant_id, plant_id, rule_id, rule_name, source, condition, severity, message, raised_at, occurrences,
         closed_at, revision)
       select gen_random_uuid(), $1, $2, gen_random_uuid(), name, name, '{}', 'low', name, 1, 1, closed_at, 1
       from (values ('old', $3::int8 - 1), ('kept', $3::int8), ('open', null)) v(name, closed_at) returning id),
     e as (insert into alarm_events (id, tenant_id, alarm_id, at, event) select gen_random_uuid(), $1, id, 1, 'raised' from a)
     insert into alarm_outbox (id, tenant_id, alarm_id, type, created_at) select gen_random_uuid(), $1, id, 'raised', 1 from a`,
    [plant.tenantId, plant.plantId, first],
  )
  expect(await deleteOldAlarms(master.db, now, 90, 1000)).toBe(1)
  const left = async (table: string) =>
    (await database.master.query<{ n: number }>(`select count(*)::int as n from ${table}`)).rows[0]!.n
  expect([await left('alarms'), await left('alarm_events'), await left('alarm_outbox')]).toEqual([2, 2, 2])
})
