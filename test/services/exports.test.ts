/** Exports from the request to the file: real Postgres, a real S3 emulator, and DuckDB as the reader of what comes out. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { archiveDay } from '../../lambdas/archive/archive-day.ts'
import type { Database } from '../../lambdas/data/database.ts'
import { dropOldPartitions } from '../../lambdas/data/drop-old-data.ts'
import { exportKey } from '../../lambdas/data/exports.ts'
import { dateOfDay, DAY_MS } from '../../lambdas/data/partitions.ts'
import { type ReadingToStore, storeTelemetry } from '../../lambdas/data/store-telemetry.ts'
import { makeExport } from '../../lambdas/exports/make-export.ts'
import type { Services } from '../../lambdas/exports/services.ts'
import { openPostgres, openPostgresAsMaster } from '../../lambdas/runtime/postgres.ts'
import type { CreateExport, Export, ExportPage, ExportWithUrl } from '../../schemas/exports.ts'
import { startObjects, type TestObjects } from '../helpers/archive.ts'
import { type HttpApi, startHttpApi } from '../helpers/http-api.ts'
import { createMachines, createTenant, createUser, type TestTenant } from '../helpers/tenants.ts'

const HOT_DAYS = 30
const today = Math.floor(Date.now() / DAY_MS)
/** Dropped from Postgres, in both, and in Postgres alone. */
const [cold, both, hot] = [today - 40, today - 33, today - 1]
const PER_DAY = 400

let api: HttpApi
let store: TestObjects
let services: Services
let close: () => Promise<unknown>
let tenant: TestTenant
let machineId: string
let manager: string
let folder: string

const openAs = (role: 'iot_exports' | 'iot_archive') => {
  const { PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD } = api.database.environment(role)
  return openPostgres<Database>({
    ...{ PGHOST: PGHOST!, PGPORT: Number(PGPORT), PGDATABASE: PGDATABASE!, PGUSER: PGUSER!, PGPASSWORD },
    AWS_REGION: 'us-east-1',
  })
}

/** A day of two machines, of which one is exported; every tenth message has a text, a bad value and a value that is no number. */
function readingsOf(machineIds: string[], day: number): ReadingToStore[] {
  return machineIds.flatMap((id) =>
    Array.from({ length: PER_DAY }, (_, n): ReadingToStore => {
      const timestamp = day * DAY_MS + n * 200_000
      const isOdd = n % 10 === 0
      return {
        ...{ tenantId: tenant.tenantId, machineId: id, timestamp, seq: day * 1000 + n, receivedAt: timestamp + 40 },
        values: {
          temperature: 20 + n / 8,
          running: n % 3 > 0,
          other: 1,
          ...(isOdd && { state: '=1+1, "x"', empty: null }),
        },
        ...(isOdd && { quality: { temperature: 'bad' as const } }),
      }
    }),
  )
}

beforeAll(async () => {
  store = await startObjects()
  api = await startHttpApi({ exports: store.objects })
  const { master } = api.database
  tenant = await createTenant(master, ['planta-uno', 'planta-dos'])
  const plantId = tenant.plants[0]!.plantId
  const machines = await createMachines(master, tenant.tenantId, plantId, 2)
  machineId = machines[1]!
  manager = await createUser(master, tenant.tenantId, 'manager', [plantId])
  folder = mkdtempSync(join(tmpdir(), 'exports-'))

  const [worker, reader, archive, archiveReader] = [
    ...[openAs('iot_exports'), openAs('iot_exports')],
    ...[openAs('iot_archive'), openAs('iot_archive')],
  ]
  services = {
    ...{ db: worker!.db, reader: reader!.pool, archive: store.objects, exports: store.objects },
    ...{ folder, maxFileBytes: 1e9, hasTime: () => true },
  }
  for (const day of [cold, both, hot]) {
    await master.query('select ensure_partitions($1, $1)', [dateOfDay(day)])
    await storeTelemetry(master, readingsOf(machines, day), 0)
  }
  await master.query('update rollup_progress set hour = $1', [today * 24])
  await master.query('delete from rollup_queue')
  const { host, port, user, password } = inject('postgres')
  const owner = openPostgresAsMaster<Database>(
    { host, port, username: user, password, dbname: api.database.name },
    false,
  )
  for (const day of [cold, both]) {
    await master.query(
      'insert into archive_queue (tenant_id, machine_id, day) select tenant_id, id, $1 from machines where tenant_id = $2',
      [day, tenant.tenantId],
    )
    const due = { tenantId: tenant.tenantId, tenant: tenant.slug, day, isClosed: true }
    const into = { db: archive!.db, reader: archiveReader!.pool, objects: store.objects, folder: store.folder }
    // Several files and row groups with little data.
    await archiveDay({ ...into, maxFile: { bytes: 1e6, samples: 700 }, hasTime: () => true, now: Date.now }, due)
  }
  // As if retention ended between the two.
  expect((await dropOldPartitions(owner.db, (cold + HOT_DAYS + 3) * DAY_MS, HOT_DAYS)).partitions).toHaveLength(1)
  close = () => Promise.all([worker!, reader!, archive!, archiveReader!, owner].map((one) => one.close()))
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await close()
  await api.close()
  await store.stop()
})

const TAGS = ['temperature', 'running', 'state', 'empty']
const wanted = (more: Partial<CreateExport> = {}) => ({
  ...{ machineId, tags: TAGS, from: cold * DAY_MS, to: today * DAY_MS, format: 'csv' as const },
  ...more,
})
const post = (body: object, as = manager) => api.request('POST', '/v1/exports', { as, body })
const get = async (exportId: string, as = manager) =>
  (await api.request('GET', `/v1/exports/${exportId}`, { as })).body as ExportWithUrl
const asked = async (more: Partial<CreateExport> = {}): Promise<Export> => {
  const { status, body } = await post(wanted(more))
  expect(status, JSON.stringify(body)).toBe(202)
  return body as Export
}
const make = ({ exportId }: Export, over: Partial<Services> = {}) =>
  makeExport({ ...services, ...over }, { tenantId: tenant.tenantId, exportId })
const fileOf = async ({ exportId: id, format }: Export) =>
  Buffer.from(await store.objects.get(exportKey(tenant.slug, { id, format })))

/** A row per tag and reading, as it was stored. */
function expectedRows(from = cold * DAY_MS, to = today * DAY_MS): string[] {
  return [cold, both, hot]
    .flatMap((day) => readingsOf([machineId], day))
    .filter(({ timestamp }) => timestamp >= from && timestamp < to)
    .flatMap(({ timestamp, values, quality }) =>
      Object.entries(values)
        .filter(([tag]) => TAGS.includes(tag))
        .map(([tag, value]) => [timestamp, tag, value, quality?.[tag] ?? 'good'].join('|')),
    )
    .sort()
}

describe('a file', () => {
  it('has each reading once, whether its day is in Postgres, in the archive or in both', async () => {
    const [csv, parquet] = [await asked(), await asked({ format: 'parquet' })]
    expect(await get(csv.exportId)).toMatchObject({ state: 'queued', url: null, percent: 0 })
    expect([await make(csv), await make(parquet)]).toEqual(['made', 'made'])
    const expected = expectedRows()
    for (const one of [csv, parquet]) {
      const bytes = (await fileOf(one)).length
      expect(await get(one.exportId)).toMatchObject({ state: 'ready', percent: 100, rows: expected.length, bytes })
      const path = join(folder, `file.${one.format}`)
      writeFileSync(path, await fileOf(one))
      const read =
        one.format === 'csv'
          ? `select epoch_ms(time) as ts, tag, value, quality from read_csv('${path}', all_varchar = false, types = {'value': 'varchar'})`
          : `select epoch_ms(ts) as ts, tag, coalesce(text, case kind when 'boolean' then (value = 1)::text else value::text end) as value, quality from read_parquet('${path}')`
      const rows = (await store.read(read)) as Record<'ts' | 'tag' | 'value' | 'quality', string | null>[]
      const found = rows.map(({ ts, tag, value, quality }) => {
        const text = value?.replace(/^'/, '') ?? ''
        return [ts, tag, /^-?\d+\.?\d*$/.test(text) ? String(Number(text)) : text, quality].join('|')
      })
      expect(found.sort()).toEqual(expected)
    }
    const lines = (await fileOf(csv)).toString('utf8').split('\r\n')
    expect(lines[0]).toBe('\ufefftime,plant,machine,tag,value,unit,quality')
    const times = lines.slice(1, -1).map((line) => line.split(',')[0]!)
    expect(times).toEqual(times.toSorted())
    // A spreadsheet would run it.
    expect(lines.find((line) => line.includes(',state,'))).toContain(`"'=1+1, ""x"""`)
  })

  it('has what lies in the range and nothing else, and may be empty', async () => {
    const [from, to] = [both * DAY_MS + 12 * 3_600_000, hot * DAY_MS + 3_600_000]
    const part = await asked({ from, to })
    await make(part)
    expect(await get(part.exportId)).toMatchObject({ rows: expectedRows(from, to).length })
    for (const format of ['csv', 'parquet'] as const) {
      const empty = await asked({ from: (cold + 1) * DAY_MS, to: (cold + 2) * DAY_MS, format })
      expect(await make(empty)).toBe('made')
      expect(await get(empty.exportId)).toMatchObject({ state: 'ready', rows: 0 })
    }
  })

  it('is handed out by a link that names it and ends', async () => {
    const one = await asked()
    await make(one)
    const { url, expiresAt } = await get(one.exportId)
    const { searchParams } = new URL(url!)
    expect(searchParams.get('X-Amz-Expires')).toBe('300')
    expect(searchParams.get('response-content-disposition')).toBe(
      `attachment; filename="planta-uno_machine-0002_${dateOfDay(cold)}_${dateOfDay(hot)}.csv"`,
    )
    expect(expiresAt! - Date.now()).toBeGreaterThan(2.9 * DAY_MS)
    await api.database.master.query('update exports set finished_at = finished_at - $1 where id = $2', [
      3 * DAY_MS,
      one.exportId,
    ])
    expect(await get(one.exportId)).toMatchObject({ state: 'expired', url: null })
  })

  it('is made once, however often its message comes, and anew after a failure half-way', async () => {
    const one = await asked()
    let blocks = 0
    const dies = () => {
      blocks += 1
      if (blocks > 2) throw new Error('the function died')
      return true
    }
    await expect(make(one, { hasTime: dies })).rejects.toThrow('the function died')
    expect(await get(one.exportId)).toMatchObject({ state: 'running', url: null })
    await expect(fileOf(one)).rejects.toMatchObject({ name: 'NoSuchKey' })
    expect(readdirSync(folder).filter((name) => name.includes(one.exportId))).toEqual([])
    expect(await Promise.all([make(one), make(one)]).then((outcomes) => outcomes.sort())).toEqual(['busy', 'made'])
    expect(await make(one)).toBe('done')
    expect(await get(one.exportId)).toMatchObject({ state: 'ready', rows: expectedRows().length })
  })

  it('begins anew when a day went into the archive while it was read from Postgres', async () => {
    const { master } = api.database
    const one = await asked({ from: hot * DAY_MS })
    const verified = (at: number | null) =>
      master.query(
        `insert into archive_days (tenant_id, day, verified_at) values ($1, $2, $3)
         on conflict (tenant_id, day) do update set verified_at = $3`,
        [tenant.tenantId, hot, at],
      )
    const reader = Object.create(services.reader, {
      connect: {
        value: async () => {
          await verified(1)
          return services.reader.connect()
        },
      },
    }) as Services['reader']
    await expect(make(one, { reader })).rejects.toThrow('gone into the archive')
    await verified(null)
    expect(await make(one)).toBe('made')
  })

  it('that would take too long says so, and is not tried again', async () => {
    const one = await asked()
    let asking = 0
    expect(await make(one, { hasTime: () => (asking += 1) < 3 })).toBe('too large')
    expect(await get(one.exportId)).toMatchObject({ state: 'failed', failure: 'too_large', url: null })
    expect(await make(one)).toBe('done')
    const parquet = await asked({ format: 'parquet' })
    expect(await make(parquet, { maxFileBytes: 1000 })).toBe('too large')
  })
})

describe('a request', () => {
  const DAY = { from: hot * DAY_MS, to: today * DAY_MS }
  it.each([
    ['ten years', { from: DAY.to - 3650 * DAY_MS }, 'from', '366 days'],
    ['a range that has not begun', { from: Date.now() + 3_600_000, to: Date.now() + 7_200_000 }, 'from', 'future'],
    ['a range that ends in the future', { to: Date.now() + 3_600_000 }, 'to', 'future'],
    ['a range that ends before it begins', { to: DAY.from - 1 }, 'to', 'after from'],
    ['51 tags', { tags: Array.from({ length: 51 }, (_, n) => `t${n}`) }, 'tags', 'at most 50'],
    ['no tag', { tags: [] }, 'tags', 'at least one'],
    ['a tag twice', { tags: ['running', 'running'] }, 'tags', 'twice'],
    ['a tag that the machine has not', { tags: ['running', 'runing'] }, 'tags.1', 'never sent runing'],
    ['too many tags for so long', { tags: TAGS, from: DAY.to - 300 * DAY_MS }, 'tags', 'tags times days may be 1000'],
    ['another format', { format: 'xlsx' }, 'format', ''],
  ])('for %s is refused before anything is done', async (_, more, path, message) => {
    const { status, body } = await post({ ...wanted(DAY), ...more })
    expect(status).toBe(400)
    expect(body).toMatchObject({ errors: [{ path, message: expect.stringContaining(message) as string }] })
  })

  it('is audited, listed for who may see the plant, and limited to a few at once', async () => {
    const { master } = api.database
    const [north, south] = tenant.plants.map(({ plantId }) => plantId) as [string, string]
    const [own, elsewhere] = [
      await createUser(master, tenant.tenantId, 'manager', [north]),
      await createUser(master, tenant.tenantId, 'manager', [south]),
    ]
    const made: Export[] = []
    for (let n = 0; n < 3; n += 1) made.push((await post(wanted(DAY), own)).body as Export)
    expect(await post(wanted(DAY), own)).toMatchObject({ status: 409, body: { code: 'conflict' } })
    expect(await make(made[0]!)).toBe('made')
    expect((await post(wanted(DAY), own)).status).toBe(202)
    const { rows } = await master.query(
      `select plant_id, after from audit_log where action = 'export.create' order by at desc limit 1`,
    )
    expect(rows).toEqual([{ plant_id: north, after: { ...DAY, tags: TAGS, format: 'csv' } }])
    const list = async (as: string, query = '') =>
      ((await api.request('GET', `/v1/exports${query}`, { as })).body as ExportPage).items.map((one) => one.exportId)
    expect((await list(own)).slice(1, 4)).toEqual(made.map((one) => one.exportId).reverse())
    expect(await list(own, `?machineId=${machineId}&limit=1`)).toHaveLength(1)
    expect(await list(elsewhere)).toEqual([])
    expect((await api.request('GET', `/v1/exports/${made[0]!.exportId}`, { as: elsewhere })).status).toBe(404)
    expect((await post(wanted(DAY), elsewhere)).status).toBe(404)
  })

  it('whose message was lost is asked for again by who looks at it, and given up after hours', async () => {
    const { master } = api.database
    const one = await asked(DAY)
    await get(one.exportId)
    const askedAt = async () =>
      (await master.query<{ at: number }>('select asked_at as at from exports where id = $1', [one.exportId])).rows[0]!
        .at
    const first = await askedAt()
    await master.query('update exports set asked_at = asked_at - 61000 where id = $1', [one.exportId])
    await get(one.exportId)
    expect(await askedAt()).toBeGreaterThanOrEqual(first)
    await master.query('update exports set created_at = created_at - $1 where id = $2', [5 * 3_600_000, one.exportId])
    expect(await get(one.exportId)).toMatchObject({ state: 'failed', failure: 'not_finished' })
  })
})
