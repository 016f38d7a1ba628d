import type { KyselyPlugin } from 'kysely'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { archiveDay } from '../../lambdas/archive/archive-day.ts'
import type { Services } from '../../lambdas/archive/services.ts'
import { type DueDay, dueDays, isArchived } from '../../lambdas/data/archive-days.ts'
import type { Database } from '../../lambdas/data/database.ts'
import { dropOldPartitions } from '../../lambdas/data/drop-old-data.ts'
import { dateOfDay, DAY_MS } from '../../lambdas/data/partitions.ts'
import { rollUpNext } from '../../lambdas/data/roll-up.ts'
import { HOUR_MS } from '../../lambdas/data/rollup-queue.ts'
import { type ReadingToStore, storeTelemetry } from '../../lambdas/data/store-telemetry.ts'
import { openPostgres, openPostgresAsMaster } from '../../lambdas/runtime/postgres.ts'
import { startObjects, type TestObjects } from '../helpers/archive.ts'
import { createDatabase, type TestDatabase } from '../helpers/postgres.ts'
import { createMachines, createTenant, type TestTenant } from '../helpers/tenants.ts'

const today = Math.floor(Date.now() / DAY_MS)
const days = [today - 3, today - 2, today - 1]
const HOT_DAYS = 30
/** So that files, row groups of machines and steps are many with little data. */
const maxFile = { bytes: 1e6, samples: 150 }

let database: TestDatabase
let store: TestObjects
let services: Services
let rollup: ReturnType<typeof openAs>
let master: ReturnType<typeof openPostgresAsMaster<Database>>
let archive: ReturnType<typeof openAs>[]
const tenants: (TestTenant & { machines: string[] })[] = []
let seq = 1

function openAs(role: 'iot_archive' | 'iot_rollup') {
  const { PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD } = database.environment(role)
  return openPostgres<Database>({
    ...{ PGHOST: PGHOST!, PGPORT: Number(PGPORT), PGDATABASE: PGDATABASE!, PGUSER: PGUSER!, PGPASSWORD },
    AWS_REGION: 'us-east-1',
  })
}

beforeAll(async () => {
  ;[database, store] = await Promise.all([createDatabase(), startObjects()])
  rollup = openAs('iot_rollup')
  const { host, port, user, password } = inject('postgres')
  master = openPostgresAsMaster<Database>({ host, port, username: user, password, dbname: database.name }, false)
  archive = [openAs('iot_archive'), openAs('iot_archive')]
  const [{ db }, { pool: reader }] = archive as [(typeof archive)[0], (typeof archive)[0]]
  services = { db, reader, objects: store.objects, folder: store.folder, maxFile, hasTime: () => true, now: Date.now }
  await database.master.query('update rollup_progress set hour = $1', [today * 24])
  for (let n = 0; n < 3; n += 1) tenants.push(await newTenant(3))
})
afterAll(async () => {
  await Promise.all([rollup, master, ...archive].map((one) => one.close()))
  await Promise.all([database.close(), store.stop()])
})

async function newTenant(machines: number) {
  const tenant = await createTenant(database.master, ['planta-uno'])
  const { tenantId, plants } = tenant
  return { ...tenant, machines: await createMachines(database.master, tenantId, plants[0]!.plantId, machines) }
}

/** Yesterday, with nothing in Postgres and in the archive. */
async function freshDay(): Promise<number> {
  const day = today - 1
  for (const table of ['telemetry_events', 'archive_files', 'archive_days', 'archive_queue', 'archived_seqs'])
    await database.master.query(`delete from ${table}`)
  await store.objects.remove(await store.objects.list(''))
  await database.master.query('update rollup_progress set dropped_before = 0')
  await database.master.query('select ensure_partitions($1, $1)', [dateOfDay(day)])
  return day
}

/** Messages of each machine in that day, of which some have bad values, texts and less tags, and the rollup of their hours. */
async function add(tenant: (typeof tenants)[0], day: number, count: number): Promise<void> {
  const readings = tenant.machines.flatMap((machineId) =>
    Array.from({ length: count }, (_, n): ReadingToStore => {
      seq += n % 7 === 0 ? 2 : 1
      const timestamp = day * DAY_MS + ((seq * 977_000) % (2 * HOUR_MS))
      const values = {
        temperature: 20 + (seq % 50) / 8,
        running: seq % 3 > 0,
        ...(n % 2 === 0 && { state: `RUN ${seq % 4}\t"\\`, pressure: null }),
      }
      const quality = n % 5 === 0 ? { quality: { temperature: 'bad' as const } } : {}
      return {
        ...{ tenantId: tenant.tenantId, machineId, timestamp, seq, receivedAt: timestamp + 40 },
        values,
        ...quality,
      }
    }),
  )
  await storeTelemetry(database.master, readings, 0)
  while (await rollUpNext(rollup.db));
}

const due = (now = Date.now(), firstOpen = today - HOT_DAYS - 1) => dueDays(services.db, now, firstOpen)

/** Every sample of Postgres, and nothing else: each column compared, by a digest of each (tenant, day). */
async function expectSame(): Promise<void> {
  const archived = await store.query(`
    select tenant, date::text as date, count(*)::int as samples, count(distinct (machine_id, seq))::int as messages,
      md5(string_agg(line, '|' order by line)) as digest
    from (select *, concat_ws(',', plant, machine, machine_id, tag, epoch_ms(ts), seq, epoch_ms(received_at), kind, quality,
      coalesce(value::decimal(30, 6)::text, 'none'), coalesce(text, 'none')) as line from samples)
    group by all order by 1, 2`)
  const { rows } = await database.master.query(`
    select tenant, date, count(*)::int as samples, count(distinct (machine_id, seq))::int as messages,
      md5(string_agg(line, '|' order by line collate "C")) as digest
    from (
      select t.slug as tenant, to_char(to_timestamp(e.ts / 1000) at time zone 'UTC', 'YYYY-MM-DD') as date, e.machine_id, e.seq,
        concat_ws(',', p.slug, m.slug, e.machine_id, v.key, e.ts, e.seq, e.received_at, jsonb_typeof(v.value),
          coalesce(e.quality ->> v.key, 'good'),
          coalesce(case jsonb_typeof(v.value) when 'number' then (v.value::text)::decimal(30, 6)::text
            when 'boolean' then (v.value::text::bool::int)::decimal(30, 6)::text end, 'none'),
          coalesce(case jsonb_typeof(v.value) when 'string' then e.values ->> v.key end, 'none')) as line
      from telemetry_events e join machines m on m.id = e.machine_id join plants p on p.id = m.plant_id
        join tenants t on t.id = e.tenant_id, jsonb_each(e.values) v
    ) s group by 1, 2 order by 1, 2`)
  expect(archived).toEqual(rows)
}

/** Samples that are there once too often. */
async function countTwice(): Promise<unknown> {
  const rows = await store.query(
    'select (count(*) - count(distinct (machine_id, seq, tag)))::int as twice from samples',
  )
  return rows?.[0]?.['twice'] ?? 0
}

test('three days of three tenants, late data, compaction, and the drop', async () => {
  for (const tenant of tenants) for (const day of days) await add(tenant, day, 40)
  for (const day of await due()) expect(await archiveDay(services, day)).toBe('archived')
  await expectSame()
  expect(await due()).toEqual([])

  // Late data becomes further files, a day later at the soonest.
  const before = await store.objects.list('readings/')
  for (const tenant of tenants.slice(0, 2)) await add(tenant, days[1]!, 5)
  expect(await due()).toEqual([])
  const late = await due(Date.now() + DAY_MS + 1)
  expect(late.map(({ tenant, day }) => [tenant, day])).toEqual(
    tenants
      .slice(0, 2)
      .map(({ slug }) => [slug, days[1]])
      .sort(),
  )
  for (const day of late) await archiveDay(services, day)
  await expectSame()
  const after = await store.objects.list('readings/')
  expect(before.every((key) => after.includes(key))).toBe(true)
  expect(after.length).toBeGreaterThan(before.length)

  // Nothing goes that was not verified, not even when its files are whole.
  const later = (today + HOT_DAYS + 2) * DAY_MS
  expect(await drop(later)).toMatchObject({ waiting: days.length + 1 })

  // Nobody writes these days any more: compacted where there are late files, verified, dropped.
  for (const day of await due(Date.now(), today)) expect(await archiveDay(services, day)).toBe('verified')
  await expectSame()
  expect((await store.objects.list('readings/')).length).toBeLessThan(after.length)
  expect(await store.objects.list('staging/')).toEqual([])

  // A message that came after all keeps its day, whoever may have let it in.
  await add(tenants[0]!, days[2]!, 1)
  expect(await drop(later)).toEqual({ partitions: days.slice(0, 2).map(partitionOf), waiting: 2 })
  for (const day of await due(Date.now(), today)) expect(await archiveDay(services, day)).toBe('verified')
  const counts = await store.query('select tenant, count(*)::int as samples from samples group by 1 order by 1')
  expect(await drop(later)).toEqual({ partitions: [partitionOf(days[2]!)], waiting: 1 })
  expect(await store.query('select tenant, count(*)::int as samples from samples group by 1 order by 1')).toEqual(
    counts,
  )
  expect((await database.master.query('select from archived_seqs')).rowCount).toBe(0)
})

test(
  'a crash at each step leaves nothing twice, and the next run ends with what Postgres has',
  { timeout: 120_000 },
  async () => {
    const [tenant, day] = [await newTenant(1), await freshDay()]
    const inOneFile = { ...services, maxFile: { bytes: 1e6, samples: 1e6 } }
    await add(tenant, day, 20)
    let crashAt = 2
    for (; ; crashAt += 1) {
      await add(tenant, day, 1)
      const [closed] = (await due(Date.now(), today)) as [DueDay]
      const outcome = await archiveDay(dyingAt(crashAt, inOneFile), closed).catch((error: unknown) => error)
      if (outcome === 'verified') break
      expect(await countTwice()).toBe(0)
      expect(await isArchivedAsMaster(day)).toBe(false)
      // Nobody else works on it before the lease of the dead is over.
      expect(await archiveDay(inOneFile, closed)).toBe('busy')
      expect(await archiveDay({ ...inOneFile, now: () => Date.now() + HOUR_MS }, closed)).toBe('verified')
      expect(await isArchivedAsMaster(day)).toBe(true)
    }
    await expectSame()
    expect(crashAt).toBeGreaterThan(40)
  },
)

test('a day that takes longer than a run goes on where the last one has ended', async () => {
  const [tenant, day] = [await newTenant(2), await freshDay()]
  await add(tenant, day, 80)
  const run = async () => {
    let files = 0
    const hasTime = () => (files += 1) <= 1
    const [closed] = (await due(Date.now(), today)) as [DueDay | undefined]
    return closed === undefined ? 'done' : archiveDay({ ...services, hasTime }, closed)
  }
  const runs: string[] = []
  while (runs.at(-1) !== 'done' && runs.length < 30) runs.push(await run())
  expect(runs.filter((reached) => reached === 'more').length).toBeGreaterThan(2)
  expect(runs.slice(-2)).toEqual(['verified', 'done'])
  await add(tenant, day, 1)
  runs.length = 0
  while (runs.at(-1) !== 'done' && runs.length < 30) runs.push(await run())
  expect(runs.slice(-2)).toEqual(['verified', 'done'])
  await expectSame()
})

test('what comes to a day that was dropped, once the retention is raised, is added to what is kept of it', async () => {
  const [tenant, day] = [await newTenant(2), await freshDay()]
  const later = (today + HOT_DAYS + 2) * DAY_MS
  const archived = async () => (await store.query('select count(*)::int as n from samples'))![0]!['n'] as number
  const rolledUp = async () =>
    (await database.master.query('select sum(count)::int as n from rollups where tenant_id = $1', [tenant.tenantId]))
      .rows[0] as { n: number }
  const archiveAll = async () => {
    for (const one of await due(Date.now(), today)) expect(await archiveDay(services, one)).toBe('verified')
  }
  await add(tenant, day, 40)
  await archiveAll()
  expect((await drop(later)).partitions).toContain(partitionOf(day))
  const [before, { n: rollups }] = [await archived(), await rolledUp()]

  await database.master.query('select ensure_partitions($1, $1)', [dateOfDay(day)])
  await add(tenant, day, 3)
  await archiveAll()
  const { rows } = await database.master.query<{ n: number }>(
    'select count(*)::int as n from telemetry_events, jsonb_each(values) where tenant_id = $1',
    [tenant.tenantId],
  )
  expect(rows[0]!.n).toBeGreaterThan(0)
  expect(await archived()).toBe(before + rows[0]!.n)
  expect((await rolledUp()).n).toBeGreaterThanOrEqual(rollups)
  expect((await drop(later)).partitions).toContain(partitionOf(day))
})

test('a file that is not what was written is found, told, and written anew', async () => {
  const [tenant, day] = [await newTenant(1), await freshDay()]

  await add(tenant, day, 10)
  const [open] = (await due()) as [DueDay]
  expect(await archiveDay(services, open)).toBe('archived')
  const [key] = (await store.objects.list(`readings/tenant=${tenant.slug}/`)) as [string]
  const bytes = Buffer.from(await store.objects.get(key))
  bytes[100]! ^= 1
  await store.objects.put(key, bytes, 'application/vnd.apache.parquet')
  const [closed] = (await due(Date.now(), today)) as [DueDay]
  await expect(archiveDay(services, closed)).rejects.toThrow(`${key} has not the bytes that were written`)
  expect(await isArchivedAsMaster(day)).toBe(false)
  expect(await archiveDay(services, closed)).toBe('verified')
  await expectSame()
})

const partitionOf = (day: number) => `telemetry_events_${dateOfDay(day).replaceAll('-', '')}`
const drop = (now: number) => dropOldPartitions(master.db, now, HOT_DAYS)
const isArchivedAsMaster = (day: number) => isArchived(master.db, partitionOf(day), day)

/** A process that ends before its step number `at`, be it a statement or a request, or right after it. */
function dyingAt(at: number, immortal: Services): Services {
  let steps = 0
  const step = () => {
    if ((steps += 1) >= at) throw new Error('the process died')
  }
  const plugin: KyselyPlugin = {
    transformQuery({ node }) {
      step()
      return node
    },
    transformResult: ({ result }) => Promise.resolve(result),
  }
  const objects = new Proxy(services.objects, {
    get(target, name: 'list') {
      return async (...call: Parameters<typeof target.list>) => {
        step()
        const answer = await target[name](...call)
        step()
        return answer
      }
    },
  })
  return { ...immortal, objects, db: immortal.db.withPlugin(plugin) }
}
