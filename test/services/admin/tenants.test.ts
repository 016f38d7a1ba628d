/** What the platform team does with whole tenants, on real Postgres, Redis, Firebase Auth and AWS IoT as local/ serves them. */
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApiGatewayManagementApiClient, DeleteConnectionCommand } from '@aws-sdk/client-apigatewaymanagementapi'
import { mockClient } from 'aws-sdk-client-mock'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { exportFiles } from '../../../lambdas/admin/export-files.ts'
import { runCommand } from '../../../lambdas/admin/run-command.ts'
import type { Services } from '../../../lambdas/admin/services.ts'
import type { Database } from '../../../lambdas/data/database.ts'
import { findPlaces } from '../../../lambdas/data/find-places.ts'
import { saveConnection } from '../../../lambdas/data/live-connections.ts'
import { openPostgres, type Postgres } from '../../../lambdas/runtime/postgres.ts'
import { attachCertificate, createCertificate } from '../../../lambdas/gateways/certificate.ts'
import { putPolicy, createThing } from '../../../lambdas/gateways/thing-and-policy.ts'
import type { AdminAnswer, AdminCommand } from '../../../schemas/admin.ts'
import { startObjects, type TestObjects } from '../../helpers/archive.ts'
import { createCsr } from '../../helpers/csr.ts'
import { type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { startTestIot, type TestIot } from '../../helpers/test-iot.ts'
import { createGateway, createMachines, createTenant, createUser, type TestTenant } from '../../helpers/tenants.ts'

let api: HttpApi
let iot: TestIot
let store: TestObjects
let postgres: Postgres<Database>
let services: Services
const sockets = mockClient(ApiGatewayManagementApiClient)

interface Company extends TestTenant {
  machineIds: string[]
  uid: string
  thingName: string
}
let ours: Company
let theirs: Company

beforeAll(async () => {
  api = await startHttpApi()
  iot = await startTestIot()
  store = await startObjects()
  const { PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD } = api.database.environment('iot_admin') as Record<
    'PGHOST' | 'PGPORT' | 'PGDATABASE' | 'PGUSER' | 'PGPASSWORD',
    string
  >
  postgres = openPostgres<Database>({
    ...{ PGHOST, PGPORT: Number(PGPORT), PGDATABASE, PGUSER, PGPASSWORD, AWS_REGION: 'us-east-1' },
  })
  const { redis, sockets: live } = api.services
  services = {
    db: postgres.db,
    redis,
    iot: iot.iot,
    iotData: iot.iotData,
    archive: store.objects,
    exports: store.objects,
    sockets: live,
    accounts: api.services.accounts,
  }
})
afterAll(async () => {
  await postgres.close()
  await iot.close()
  await store.stop()
  await api.close()
})
beforeEach(async () => {
  sockets.reset()
  iot.reset()
  ours = await fill()
  theirs = await fill()
})

const run = (command: AdminCommand) => runCommand(services, command, 'request-1')
const query = async <Row>(text: string, values: unknown[] = []) =>
  (await api.database.master.query(text, values)).rows as Row[]

/** A company with a row in every table that has rows of tenants, at Firebase, at AWS IoT and in Redis. */
async function fill(): Promise<Company> {
  const { master } = api.database
  const tenant = await createTenant(master, ['north'])
  const { tenantId, slug } = tenant
  const plantId = tenant.plants[0]!.plantId
  const thingName = `${slug}-gateway`
  const machineIds = await createMachines(master, tenantId, plantId, 2)
  const gatewayId = await createGateway(master, tenantId, plantId, thingName)
  const { uid } = await (await services.accounts()).ensure(`${slug}@people.example`, 'a-password')
  const placeholder = await createUser(master, tenantId, 'admin', 'all')
  await master.query('update users set firebase_uid = $1 where firebase_uid = $2', [uid, placeholder])
  const certificate = await createCertificate(iot.iot, await createCsr())
  const now = Date.now()
  const [machineId] = machineIds as [string, string]
  const fileId = uuid()
  await store.objects.put(`readings/tenant=${slug}/date=1970-01-02/${fileId}.parquet`, Buffer.from(slug), 'text/plain')
  await store.objects.put(`staging/tenant=${slug}/date=1970-01-02/left.parquet`, Buffer.from(slug), 'text/plain')
  await store.objects.put(`exports/tenant=${slug}/${fileId}.csv`, Buffer.from(slug), 'text/plain')
  const ruleId = uuid()
  const rows: [text: string, values: unknown[]][] = [
    [
      `insert into telemetry_events select $1, m, $3::int8 - n, n, $3, '{"a":-1.5}', null from unnest($2::uuid[]) m, generate_series(1, 700) n`,
      [tenantId, machineIds, now],
    ],
    [`insert into closed_blocks values ($1, $2, 0, 1::bit(1024), 0)`, [tenantId, machineId]],
    [
      `insert into rollups (tenant_id, machine_id, tag, hour, kind, count, minute_min) values ($1, $2, 'a', 1, 'number', 1, '{1,null}')`,
      [tenantId, machineId],
    ],
    [`insert into rollup_queue values ($1, $2, 1)`, [tenantId, machineId]],
    [
      `insert into declared_ranges values ($1, $2, $3, 1, 2, '{}', '{}', 1, 1, 1, 2, '{}', 1)`,
      [tenantId, machineId, gatewayId],
    ],
    [`insert into archive_days (tenant_id, day) values ($1, 1)`, [tenantId]],
    [`insert into archive_queue (tenant_id, machine_id, day) values ($1, $2, 1)`, [tenantId, machineId]],
    [`insert into archived_seqs values ($1, $2, 1, '{[0,2)}')`, [tenantId, machineId]],
    [
      `insert into archive_files values ($1, $2, 1, 'live', 1, 1, 1, sha256($4), 1, $3, 1, 1)`,
      [fileId, tenantId, machineId, Buffer.from(slug)],
    ],
    [
      `insert into exports (id, tenant_id, machine_id, user_id, format, tags, from_ts, to_ts, created_at, asked_at)
       values ($1, $2, $3, $1, 'csv', '{a}', 0, 1, 1, 1)`,
      [fileId, tenantId, machineId],
    ],
    [`insert into full_seqs values ($2, $1, '{[0,1024)}')`, [tenantId, machineId]],
    [`insert into gateway_connections values ($1, $2, 1, 'online', null, null, false)`, [tenantId, gatewayId]],
    [
      `insert into enrolments (id, tenant_id, gateway_id, token_hash, expires_at, created_at) values ($1, $2, $3, $4, 1, 1)`,
      [uuid(), tenantId, gatewayId, Buffer.from(slug)],
    ],
    [
      `insert into gateway_certificates (key_hash, tenant_id, gateway_id, state, certificate_id, certificate_pem, expires_at, requested_at)
       values ($1, $2, $3, 'valid', $4, '', 1, 1)`,
      [Buffer.from(slug), tenantId, gatewayId, certificate.id],
    ],
    [
      `insert into idempotency_keys (tenant_id, user_id, operation, key_sha256, request_sha256, id, started_at) values ($1, $2, 'x', '', '', $2, 1)`,
      [tenantId, uuid()],
    ],
    [
      `insert into audit_log (id, tenant_id, at, action, subject, request_id) values ($1, $2, 1, 'x.y', '=1+1', 'r')`,
      [uuid(), tenantId],
    ],
    [
      `insert into alarm_rules (id, tenant_id, name, machine, condition, delay_on_ms, delay_off_ms, severity, enabled, version, created_at,
         updated_at) values ($1, $2, 'silent', '*', '{"kind":"no_data","forMs":60000}', 0, 0, 'high', true, 1, 1, 1)`,
      [ruleId, tenantId],
    ],
    [
      `insert into alarm_conditions (rule_id, source, tenant_id, machine_id, phase, since) values ($1, $3::uuid::text, $2, $3, 'active', 1)`,
      [ruleId, tenantId, machineId],
    ],
    [
      `insert into alarms (id, tenant_id, plant_id, rule_id, rule_name, source, condition, severity, message, raised_at, occurrences, revision)
       values ($1, $2, $3, $1, 'silent', 'x', '{"kind":"no_data","forMs":60000}', 'high', 'silent', 1, 1, 1)`,
      [ruleId, tenantId, plantId],
    ],
    [
      `insert into alarm_events (id, tenant_id, alarm_id, at, event) values ($1, $2, $1, 1, 'raised')`,
      [ruleId, tenantId],
    ],
    [
      `insert into alarm_outbox (id, tenant_id, plant_id, alarm_id, type, created_at) values ($1, $2, $3, $1, 'raised', 1)`,
      [ruleId, tenantId, plantId],
    ],
    [
      `insert into alarm_deliveries (outbox_id, target, tenant_id, state, created_at) values ($1, 'user:x', $2, 'due', 1)`,
      [ruleId, tenantId],
    ],
    [
      `insert into alarm_webhooks (id, tenant_id, name, url, sealed_secret, severity_from, enabled, created_at, updated_at)
       values ($1, $2, 'x', 'https://example.com', 'sealed', 'low', true, 1, 1)`,
      [ruleId, tenantId],
    ],
    [
      `insert into notification_choices (user_id, tenant_id, email_when_cleared, updated_at)
       select id, tenant_id, false, 1 from users where firebase_uid = $2 and tenant_id = $1`,
      [tenantId, uid],
    ],
    ...[tenantId, null].map((of): [string, unknown[]] => [
      `insert into quarantine (id, message_id, tenant_id, queue, code, message, topic, quarantined_at, body, payload_bytes, payload_head)
       values ($1::uuid, $1::text, $2, 'telemetry', 'invalid_json', 'why', $3, 1, '\\x00ff', 2, '\\x00')`,
      [uuid(), of, `factory/${slug}/ba/north/m/telemetry`],
    ]),
  ]
  for (const [text, values] of rows) await master.query(text, values)

  const arnPrefix = await createThing(iot.iot, 'test', thingName)
  await putPolicy(iot.iot, arnPrefix, { tenant: slug, province: 'ba', plant: 'north', thingName })
  await attachCertificate(iot.iot, thingName, certificate)

  await services.redis.use(async (client) => {
    for (const key of [`state:${slug}:north`, `edition:${slug}:north`, `rate:tenant:${tenantId}`])
      await client.set(key, '1')
    const [user] = await query<{ id: string }>('select id from users where firebase_uid = $1', [uid])
    const holder = { userId: user!.id, firebaseUid: uid, authTime: 1, tenantId, tenant: slug }
    await saveConnection(client, { ...holder, connectionId: `c-${slug}`, plants: [] })
  })
  return { ...tenant, machineIds, uid, thingName }
}

const tables = async () =>
  (
    await query<{ name: string }>(
      'select distinct coalesce(partition_of, name) as name from tenant_tables() order by 1',
    )
  ).map(({ name }) => name)
async function counts(tenantId: string): Promise<Record<string, number>> {
  const found: Record<string, number> = {}
  for (const name of await tables()) {
    const [row] = await query<{ count: number }>(`select count(*) from ${name} where tenant_id = $1`, [tenantId])
    found[name] = row!.count
  }
  return found
}
const keysLike = (part: string) => services.redis.use((client) => client.keys(`*${part}*`))
const backdate = () => query('update tenants set deleting_at = deleting_at - 200000 where id = $1', [ours.tenantId])

async function deleted(from?: string): Promise<AdminAnswer> {
  let answer = await run({ command: 'tenant delete', slug: ours.slug, ...(from !== undefined && { cursor: from }) })
  for (let calls = 0; answer.status === 'working' && answer.waitMs === 0 && calls < 50; calls += 1)
    answer = await run({ command: 'tenant delete', slug: ours.slug, cursor: answer.cursor })
  return answer
}

describe('deleting a tenant', () => {
  it('leaves nothing of it anywhere, and all of the others', async () => {
    const before = await counts(theirs.tenantId)
    for (const [table, count] of Object.entries(await counts(ours.tenantId))) expect(count, table).toBeGreaterThan(0)

    const waiting = await deleted()
    expect(waiting).toMatchObject({ status: 'working', message: expect.stringContaining('consumers') as string })
    expect((await api.request('GET', '/v1/me', { as: ours.uid })).status).toBe(403)
    expect(sockets.commandCalls(DeleteConnectionCommand).map(({ args }) => args[0].input.ConnectionId)).toEqual([
      `c-${ours.slug}`,
    ])
    await backdate()
    const done = await deleted()
    expect(done).toMatchObject({ status: 'deleted', message: `nothing is left of ${ours.slug}` })
    if (done.status !== 'deleted') throw new Error('not deleted')
    expect(Object.keys(done.counts)).toEqual(
      expect.arrayContaining(['audit_log', 'machines', 'objects in S3', 'redis']),
    )
    expect(Object.values(done.counts).every((count) => count === 0)).toBe(true)

    expect(Object.values(await counts(ours.tenantId)).every((count) => count === 0)).toBe(true)
    expect(await query('select from tenants where id = $1', [ours.tenantId])).toEqual([])
    expect(await query(`select from quarantine where topic like $1`, [`factory/${ours.slug}/%`])).toEqual([])
    expect([...(await keysLike(ours.slug)), ...(await keysLike(ours.tenantId)), ...(await keysLike(ours.uid))]).toEqual(
      [],
    )
    const firebase = await api.firebase()
    expect(firebase.local.find(ours.uid)).toBeUndefined()
    expect(Object.keys(iot.registry.state.things)).toEqual([theirs.thingName])
    expect(Object.keys(iot.registry.state.policies)).toEqual([theirs.thingName])
    expect(Object.values(iot.registry.state.certificates)).toHaveLength(1)

    expect((await store.objects.list('')).filter((key) => key.includes(`tenant=${ours.slug}/`))).toEqual([])
    expect((await store.objects.list('')).filter((key) => key.includes(`tenant=${theirs.slug}/`))).toHaveLength(3)

    expect(await counts(theirs.tenantId)).toEqual(before)
    expect(firebase.local.find(theirs.uid)).toBeDefined()
    expect((await keysLike(theirs.slug)).length).toBeGreaterThan(1)
    expect(await run({ command: 'tenant delete', slug: ours.slug })).toMatchObject({ status: 'deleted' })
  })

  it('comes to its end wherever it was broken off', async () => {
    for (const command of [
      'UpdateCertificate',
      'DetachPolicy',
      'DetachThingPrincipal',
      'DeleteCertificate',
      'DeletePolicy',
      'DeleteThing',
    ]) {
      iot.reset()
      ;[ours, theirs] = [await fill(), await fill()]
      for (const when of ['before', 'after'] as const) {
        iot.failAt(command, when)
        await expect(deleted()).rejects.toThrow(command)
      }
      await deleted()
      await backdate()
      // Begun anew after each single step, as by somebody who starts the command again.
      let answer = await run({ command: 'tenant delete', slug: ours.slug })
      while (answer.status === 'working') {
        await run({ command: 'tenant delete', slug: ours.slug })
        answer = await run({ command: 'tenant delete', slug: ours.slug, cursor: answer.cursor })
      }
      expect(answer.status).toBe('deleted')
      expect(Object.keys(iot.registry.state.things)).toEqual([theirs.thingName])
      expect(Object.values(iot.registry.state.certificates)).toHaveLength(1)
    }
  })

  it('takes a step’s last gateway and account with the next step where one does not get to the end of them', async () => {
    const more = await fill()
    for (const table of ['gateway_connections', 'gateway_certificates', 'enrolments', 'gateways', 'users'])
      await query(`update ${table} set tenant_id = $1 where tenant_id = $2`, [ours.tenantId, more.tenantId])
    // A step's time is over with each Thing, and with each account.
    const { now } = Date
    const accounts = await services.accounts()
    const remove = vi.spyOn(accounts, 'remove')
    const passed = () => iot.calls.filter((call) => call === 'DeleteThing').length + remove.mock.calls.length
    vi.spyOn(Date, 'now').mockImplementation(() => now() + passed() * 16_000)
    await deleted()
    vi.restoreAllMocks()
    expect(Object.keys(iot.registry.state.things)).toEqual([theirs.thingName])
    const firebase = await api.firebase()
    for (const { uid } of [ours, more]) expect(firebase.local.find(uid)).toBeUndefined()
  })

  it('takes no rows of a tenant that is not being deleted, and no table that has none of tenants', async () => {
    const erase = (table: string) => postgres.pool.query('select erase_tenant_rows($1, $2, 10)', [ours.tenantId, table])
    await expect(erase('machines')).rejects.toThrow('is not being deleted')
    await query('update tenants set deleting_at = 1 where id = $1', [ours.tenantId])
    await expect(erase('tenants')).rejects.toThrow('no table of tenants')
    await expect(erase('machines; drop table users')).rejects.toThrow('no table of tenants')
  })
})

describe('disabling a tenant', () => {
  it('turns its people and gateways away at once, and lets them in again when it is enabled', async () => {
    const me = async () => (await api.request('GET', '/v1/me', { as: ours.uid })).status
    const known = async () => (await findPlaces(services.db, [ours.slug], ['north'])).length
    expect([await me(), await known()]).toEqual([200, 1])
    expect(await run({ command: 'tenant disable', slug: ours.slug })).toMatchObject({ status: 'done' })
    expect([await me(), await known()]).toEqual([403, 0])
    expect(sockets.commandCalls(DeleteConnectionCommand)).toHaveLength(1)
    expect((await run({ command: 'tenant disable', slug: ours.slug })).message).toContain('already')
    expect(await run({ command: 'tenant enable', slug: ours.slug })).toMatchObject({ status: 'done' })
    expect([await me(), await known()]).toEqual([200, 1])
    const audit = await query<{ action: string }>('select action from audit_log where tenant_id = $1 order by id', [
      ours.tenantId,
    ])
    expect(audit.slice(-2).map(({ action }) => action)).toEqual(['tenant.disable', 'tenant.enable'])
    expect((await api.request('GET', '/v1/me', { as: theirs.uid })).status).toBe(200)
  })
})

it('lists tenants with their sizes, and gateways of one or of all', async () => {
  const tenants = await run({ command: 'tenant list' })
  const found = tenants.status === 'tenants' ? tenants.items.find(({ slug }) => slug === ours.slug) : undefined
  expect(found).toMatchObject({ plants: 1, machines: 2, gateways: 1, users: 1, disabledAt: null, deletingAt: null })
  const names = async (more: object = {}) => {
    const answer = await run({ command: 'gateway list', ...more })
    return answer.status === 'gateways' ? answer.items.map(({ thingName }) => thingName) : answer
  }
  expect(await names({ tenant: ours.slug })).toEqual([ours.thingName])
  expect(await names()).toEqual(expect.arrayContaining([ours.thingName, theirs.thingName]))
  expect(await run({ command: 'gateway list', tenant: 'nobody' })).toMatchObject({ status: 'refused' })
})

describe('exporting a tenant', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'iot-export-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const read = async (table: string) =>
    (await parquetReadObjects({ file: await asyncBufferFromFile(join(folder, `${table}.parquet`)) })) as Record<
      string,
      unknown
    >[]

  it('gives every row of every table as CSV and as Parquet, nothing of others, and no secret', async () => {
    const told: string[] = []
    await exportFiles(ours.slug, folder, run, (line) => told.push(line))
    expect(told.at(-1)).toBe('archive: 1 files')
    const [file] = globSync('archive/date=1970-01-02/*.parquet', { cwd: folder }) as [string]
    expect(readFileSync(join(folder, file), 'utf8')).toBe(ours.slug)
    expect(readdirSync(join(folder, 'archive'))).toHaveLength(1)
    rmSync(join(folder, 'archive'), { recursive: true })
    const expected = await counts(ours.tenantId)
    delete expected['rollup_queue']
    delete expected['archive_queue']
    delete expected['idempotency_keys']
    delete expected['alarm_outbox']
    delete expected['alarm_deliveries']
    expect(readdirSync(folder).sort()).toEqual(
      Object.keys(expected)
        .flatMap((name) => [`${name}.csv`, `${name}.parquet`])
        .sort(),
    )
    for (const [table, count] of Object.entries(expected)) {
      const rows = await read(table)
      expect(rows, table).toHaveLength(count)
      expect(new Set(rows.map((row) => row['tenant_id'])), table).toEqual(new Set([ours.tenantId]))
      const lines = readFileSync(join(folder, `${table}.csv`), 'utf8').split('\r\n')
      expect(lines, table).toHaveLength(count + 2)
      expect(lines[0], table).toBe(Object.keys(rows[0]!).join(','))
    }
    expect(told).toContain('telemetry_events: 1400 rows')
    const events = await read('telemetry_events')
    const stored = await query<{ machine_id: string; ts: number; seq: number }>(
      'select machine_id, ts, seq from telemetry_events where tenant_id = $1 order by 1, 2, 3',
      [ours.tenantId],
    )
    expect(events.map(({ machine_id, ts, seq }) => [machine_id, Number(ts), Number(seq)])).toEqual(
      stored.map(({ machine_id, ts, seq }) => [machine_id, ts, seq]),
    )
    expect(events[0]).toMatchObject({ values: '{"a": -1.5}'.replace(' ', ''), quality: null })
    expect((await read('quarantine'))[0]).toMatchObject({ body: '\\x00ff', payload_bytes: 2 })
    expect(Object.keys((await read('enrolments'))[0]!)).not.toContain('token_hash')
    expect(readFileSync(join(folder, 'audit_log.csv'), 'utf8')).toContain(`,'=1+1,`)
  })

  it('of a tenant that is not there says so', async () => {
    await expect(exportFiles('nobody', folder, run, () => undefined)).rejects.toThrow('there is no tenant nobody')
  })
})
