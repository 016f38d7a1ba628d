import { CompiledQuery, Kysely, type LogEvent, PostgresDialect } from 'kysely'
import pg from 'pg'
import { v7 as uuid } from 'uuid'
import * as v from 'valibot'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../../lambdas/data/database.ts'
import { listDeadLetters } from '../../../lambdas/data/dead-letters.ts'
import { quarantineMessage, type QuarantinedMessage } from '../../../lambdas/data/quarantine-message.ts'
import { inTenant } from '../../../lambdas/data/tenant-transaction.ts'
import { DeadLetterPage } from '../../../schemas/api.ts'
import { type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { createTenant, createUser, type TestTenant } from '../../helpers/tenants.ts'

let api: HttpApi
let ours: TestTenant
let theirs: TestTenant
let admin: string
/** Of the first plant only. */
let plantAdmin: string
let theirAdmin: string
/** As the Quarantine function has it. */
let quarantine: Kysely<Database>

beforeAll(async () => {
  api = await startHttpApi()
  const { master } = api.database
  ours = await createTenant(master, ['north', 'south'])
  theirs = await createTenant(master, ['north'])
  admin = await createUser(master, ours.tenantId, 'admin', 'all')
  plantAdmin = await createUser(master, ours.tenantId, 'admin', [ours.plants[0]!.plantId])
  theirAdmin = await createUser(master, theirs.tenantId, 'admin', 'all')
  quarantine = open('iot_quarantine').db
})
afterAll(async () => {
  await quarantine.destroy()
  await api.close()
})
/** Of the audit log, which nobody empties, what was there before the test. */
let auditedBefore: number
beforeEach(async () => {
  await api.database.master.query('truncate quarantine')
  const { rows } = await api.database.master.query<{ count: string }>('select count(*) from audit_log')
  auditedBefore = Number(rows[0]!.count)
})

/** A connection of its own, and the statements that were run on it. */
function open(role: 'iot_quarantine' | 'iot_api') {
  const { PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD } = api.database.environment(role)
  const pool = new pg.Pool({
    ...{ host: PGHOST!, port: Number(PGPORT), database: PGDATABASE!, user: PGUSER!, password: PGPASSWORD!, max: 1 },
  })
  const queries: CompiledQuery[] = []
  const log = ({ query }: LogEvent) => void queries.push(query)
  return { db: new Kysely<Database>({ dialect: new PostgresDialect({ pool }), log }), queries }
}

/** Quarantines a message of this tenant; newer than those before. Returns its id. */
async function letter(tenant: string | null, more: Partial<QuarantinedMessage> = {}): Promise<string> {
  const messageId = uuid()
  const payload = Buffer.from('{"a":1}')
  const place = { tenant, province: 'ba', plant: 'north', machine: 'press', thingName: 'gw-1' }
  const topic = `factory/${tenant}/ba/north/press/telemetry`
  const why = { queue: 'telemetry', code: 'invalid_json', message: 'not JSON' } as const
  await quarantineMessage(quarantine, {
    ...{ messageId, ...why, topic, ...place, receivedAt: 1_736_359_200_000, body: payload, payload, ...more },
  })
  const { rows } = await api.database.master.query<{ id: string }>('select id from quarantine where message_id = $1', [
    messageId,
  ])
  return rows[0]!.id
}

async function list(query = '', as = admin) {
  const { body } = await api.request('GET', `/v1/dead-letters?${query}`, { as })
  return v.parse(DeadLetterPage, body)
}
const listedIds = async (query = '', as = admin) => (await list(query, as)).items.map((item) => item.id)
const redrive = (body: unknown, as = admin) => api.request('POST', '/v1/dead-letters/redrive', { as, body })
const discard = (id: string, body: unknown, as = admin) => api.request('DELETE', `/v1/dead-letters/${id}`, { as, body })
const waiting = async () =>
  (await api.database.master.query<{ id: string }>('select id from quarantine where redrive_at is not null')).rows.map(
    (row) => row.id,
  )
const audited = async () =>
  (
    await api.database.master.query<object>(
      'select tenant_id, plant_id, action, subject, before, after from audit_log order by id offset $1',
      [auditedBefore],
    )
  ).rows

describe('the list', () => {
  it('says what each message was, in text and hex', async () => {
    const before = Date.now()
    const id = await letter(ours.slug, { payload: Buffer.from('ñ{') })
    const [item] = (await list()).items
    expect(item).toEqual({
      ...{ id, code: 'invalid_json', message: 'not JSON', topic: `factory/${ours.slug}/ba/north/press/telemetry` },
      ...{ machine: 'press', thingName: 'gw-1', receivedAt: 1_736_359_200_000, redriveAt: null },
      quarantinedAt: expect.any(Number) as number,
      ...{ bytes: 3, text: 'ñ{', hex: 'c3b17b' },
    })
    expect(item!.quarantinedAt).toBeGreaterThanOrEqual(before)
  })

  it('has no text of bytes that are not UTF-8, and the beginning of what is long, be a character cut in two', async () => {
    await letter(ours.slug, { payload: Buffer.from([0xff, 0x00]) })
    await letter(ours.slug, { payload: Buffer.from(`a${'ñ'.repeat(1000)}`) })
    const [long, binary] = (await list()).items
    expect(binary).toMatchObject({ text: null, hex: 'ff00', bytes: 2 })
    expect(long).toMatchObject({ bytes: 2001, text: `a${'ñ'.repeat(511)}` })
    expect(long!.hex).toHaveLength(2048)
  })

  it('is by code, machine and time, newest first', async () => {
    const json = await letter(ours.slug)
    const press = await letter(ours.slug, { code: 'seq_conflict' })
    const oven = await letter(ours.slug, { code: 'seq_conflict', machine: 'oven' })
    for (const [index, id] of [json, press, oven].entries())
      await api.database.master.query('update quarantine set quarantined_at = $1 where id = $2', [1000 + index, id])
    expect(await listedIds()).toEqual([oven, press, json])
    expect(await listedIds('code=seq_conflict')).toEqual([oven, press])
    expect(await listedIds('machine=press')).toEqual([press, json])
    expect(await listedIds('code=seq_conflict&machine=press')).toEqual([press])
    expect(await listedIds('from=1001')).toEqual([oven, press])
    expect(await listedIds('from=1000&to=1002')).toEqual([press, json])
    expect(await listedIds('code=invalid_topic')).toEqual([])
  })

  it('comes in pages, also where times are equal', async () => {
    const ids = []
    for (let count = 0; count < 5; count++) ids.push(await letter(ours.slug))
    await api.database.master.query('update quarantine set quarantined_at = 1000')
    const first = await list('limit=2')
    const second = await list(`limit=2&cursor=${first.nextCursor}`)
    const third = await list(`limit=2&cursor=${second.nextCursor}`)
    expect([first, second, third].flatMap((page) => page.items.map((item) => item.id))).toEqual(ids.toReversed())
    expect(third.nextCursor).toBeNull()
  })

  it.each([
    ['code=nonsense', 'code'],
    ['machine=Not a slug', 'machine'],
    ['from=yesterday', 'from'],
    ['cursor=nonsense', 'cursor'],
    [`cursor=${Buffer.from('{"after":"1 or 1=1"}').toString('base64url')}`, 'cursor'],
    [`cursor=${Buffer.from(`{"after":"1 ${'-'.repeat(36)}"}`).toString('base64url')}`, 'cursor'],
    ['plant=north', 'plant'],
  ])('refuses %s', async (query, path) => {
    const answer = await api.request('GET', `/v1/dead-letters?${query}`, { as: admin })
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ path }] } })
  })
})

describe('whose they are', () => {
  it('a tenant’s admin sees the tenant’s only, never another’s, never those of no tenant', async () => {
    const mine = await letter(ours.slug)
    const other = await letter(theirs.slug)
    const nobodys = await letter('no-such-tenant')
    const shapeless = await letter(null)
    expect(await listedIds()).toEqual([mine])
    for (const id of [other, nobodys, shapeless, uuid(), 'x']) {
      expect(await discard(id, { reason: 'not mine' })).toMatchObject({ status: 404, body: { code: 'not_found' } })
    }
    for (const id of [other, nobodys, shapeless, uuid()]) {
      expect(await redrive({ ids: [mine, id] })).toMatchObject({ status: 404, body: { code: 'not_found' } })
    }
    expect(await redrive({ code: 'invalid_json' })).toMatchObject({ status: 202, body: { accepted: 1 } })
    expect(await waiting()).toEqual([mine])
    expect(await listedIds('', theirAdmin)).toEqual([other])
  })

  it('an admin of some plants sees what is of these plants', async () => {
    const north = await letter(ours.slug)
    const south = await letter(ours.slug, { plant: 'south' })
    const unknown = await letter(ours.slug, { plant: 'nowhere' })
    expect(await listedIds('', plantAdmin)).toEqual([north])
    await letter(ours.slug, { code: 'seq_conflict' })
    const groups = async (as: string) => (await api.request('GET', '/v1/dead-letter-groups', { as })).body
    expect(await groups(plantAdmin)).toMatchObject({
      items: [
        { code: 'invalid_json', count: 1, redriving: 0 },
        { code: 'seq_conflict', count: 1, redriving: 0 },
      ],
    })
    expect(await groups(admin)).toMatchObject({ items: [{ code: 'invalid_json', count: 3 }, { code: 'seq_conflict' }] })
    expect(await groups(theirAdmin)).toEqual({ items: [] })
    expect(await listedIds('code=invalid_json')).toEqual([unknown, south, north])
    expect((await discard(south, { reason: 'x' }, plantAdmin)).status).toBe(404)
    expect((await redrive({ ids: [unknown] }, plantAdmin)).status).toBe(404)
    expect((await redrive({ code: 'invalid_json' }, plantAdmin)).body).toEqual({ accepted: 1 })
    expect(await waiting()).toEqual([north])
  })

  it('row security hides them from the API’s role even without the query’s filter', async () => {
    await letter(theirs.slug)
    await letter(null)
    const { db } = open('iot_api')
    expect(await inTenant(db, ours.tenantId, (t) => t.selectFrom('quarantine').select('id').execute())).toEqual([])
    expect(await db.selectFrom('quarantine').select('id').execute()).toEqual([])
    await db.destroy()
  })
})

describe('redrive', () => {
  it('takes chosen ones, or all of a code, once each; the list shows it, the audit log who asked', async () => {
    const [one, two, three] = [
      await letter(ours.slug),
      await letter(ours.slug),
      await letter(ours.slug, { code: 'unknown_plant' }),
    ]
    const before = Date.now()
    expect(await redrive({ ids: [one, one] })).toMatchObject({ status: 202, body: { accepted: 1 } })
    const asked = (await list()).items.find((item) => item.id === one)!.redriveAt!
    expect(asked).toBeGreaterThanOrEqual(before)
    expect(await redrive({ code: 'invalid_json' })).toMatchObject({ status: 202, body: { accepted: 2 } })
    expect((await list()).items.map(({ id, redriveAt }) => [id, redriveAt !== null])).toEqual([
      [three, false],
      [two, true],
      [one, true],
    ])
    // Asked for twice it does not lose its turn.
    expect((await list()).items.at(-1)!.redriveAt).toBe(asked)
    expect(await redrive({ code: 'seq_conflict' })).toMatchObject({ status: 202, body: { accepted: 0 } })
    const plant_id = ours.plants[0]!.plantId
    const entry = { tenant_id: ours.tenantId, plant_id, action: 'dead_letter.redrive', before: null }
    expect(await audited()).toEqual([
      { ...entry, subject: '1 chosen', after: { ids: [one], count: 1 } },
      { ...entry, subject: 'invalid_json', after: { code: 'invalid_json', count: 2 } },
    ])
  })

  it('is written down for each plant, with what is of it', async () => {
    const here = await letter(ours.slug)
    const there = await letter(ours.slug, { plant: 'south' })
    expect(await redrive({ ids: [here, there] })).toMatchObject({ body: { accepted: 2 } })
    const [north, south] = ours.plants
    const byPlant = new Map((await audited()).map((entry) => [(entry as { plant_id: string }).plant_id, entry]))
    expect(byPlant.get(north!.plantId)).toMatchObject({ after: { ids: [here], count: 1 } })
    expect(byPlant.get(south!.plantId)).toMatchObject({ after: { ids: [there], count: 1 } })
  })

  it.each([
    [{}, ''],
    [{ ids: [] }, 'ids'],
    [{ ids: ['0190a5d0-0000-7000-8000-000000000000'], code: 'invalid_json' }, ''],
    [{ ids: ['x'] }, 'ids.0'],
    [{ code: 'everything' }, 'code'],
    [{ code: 'invalid_json', force: true }, 'force'],
  ])('refuses %o', async (body, path) => {
    expect(await redrive(body)).toMatchObject({ status: 400, body: { errors: [{ path }] } })
    expect(await audited()).toEqual([])
  })
})

describe('discarding', () => {
  it('takes it away; the audit log keeps what it was and the reason', async () => {
    const id = await letter(ours.slug)
    const [item] = (await list()).items
    expect(await discard(id, { reason: '  test message ' })).toMatchObject({ status: 200, body: item })
    expect(await listedIds()).toEqual([])
    expect(await audited()).toEqual([
      {
        ...{ tenant_id: ours.tenantId, plant_id: ours.plants[0]!.plantId, action: 'dead_letter.discard', subject: id },
        ...{ before: item, after: { reason: 'test message' } },
      },
    ])
    expect((await discard(id, { reason: 'again' })).status).toBe(404)
  })

  it.each([
    [{}, 'reason'],
    [{ reason: '  ' }, 'reason'],
    [{ reason: 'x', force: true }, 'force'],
  ])('refuses %o, and keeps it', async (body, path) => {
    const id = await letter(ours.slug)
    expect(await discard(id, body)).toMatchObject({ status: 400, body: { errors: [{ path }] } })
    expect(await listedIds()).toEqual([id])
  })
})

describe('with 100,000 rows', () => {
  interface Plan {
    'Node Type': string
    'Index Name'?: string
    Plans?: Plan[]
  }
  const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

  const fill = () =>
    api.database.master.query(
      `insert into quarantine (id, message_id, tenant_id, plant_id, queue, code, message, machine, quarantined_at, body,
         payload_bytes, payload_head)
       select gen_random_uuid(), n, $1, $2, 'telemetry', (array['invalid_json', 'seq_conflict', 'unknown_plant'])[1 + n % 3],
         'message', 'machine-' || n % 200, n, '', 0, '' from generate_series(1, 100000) n`,
      [ours.tenantId, ours.plants[0]!.plantId],
    )

  it('every list reads an index in its order: no scan of the table, no sort', { timeout: 60_000 }, async () => {
    await fill()
    await api.database.master.query('analyze quarantine')
    const { db, queries } = open('iot_api')
    const after = { at: 50_000, id: uuid() }
    const plantAccess = [ours.plants[0]!.plantId]
    const planOf = (...[filter, key, access]: [object, typeof after?, string[]?]) =>
      inTenant(db, ours.tenantId, async (transaction) => {
        await listDeadLetters(transaction, ours.tenantId, access ?? 'all', filter, { limit: 51, after: key })
        const { sql, parameters } = queries.at(-1)!
        const { rows } = await transaction.executeQuery<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
          CompiledQuery.raw(`explain (format json) ${sql}`, [...parameters]),
        )
        return nodesOf(rows[0]!['QUERY PLAN'][0].Plan)
      })
    const plans: [plan: Plan[], index: string][] = [
      [await planOf({}), 'quarantine_by_time'],
      [await planOf({}, after), 'quarantine_by_time'],
      [await planOf({ from: 20_000, to: 20_500 }), 'quarantine_by_time'],
      [await planOf({}, after, plantAccess), 'quarantine_by_time'],
      [await planOf({ machine: 'machine-7' }), 'quarantine_by_machine'],
      [await planOf({ machine: 'machine-7', code: 'seq_conflict' }, after), 'quarantine_by_machine'],
      [await planOf({ code: 'invalid_topic' }), 'quarantine_by_code'],
    ]
    for (const [plan, index] of plans) {
      const types = plan.map((node) => node['Node Type'])
      expect(types).not.toContain('Seq Scan')
      expect(types).not.toContain('Sort')
      expect(plan.map((node) => node['Index Name']).filter(Boolean)).toEqual([index])
    }
    await db.destroy()
  })
})
