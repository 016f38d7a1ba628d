import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { mockClient } from 'aws-sdk-client-mock'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { oldestHotDay } from '../../lambdas/data/partitions.ts'
import { lambdaContext } from '../helpers/lambda-context.ts'
import { createDatabase, type TestDatabase } from '../helpers/postgres.ts'
import { createPlant } from '../helpers/plant.ts'
import { ROLE_PASSWORD } from '../helpers/template-database.ts'

let database: TestDatabase

beforeAll(async () => {
  database = await createDatabase()
  const { host, port, user, password } = inject('postgres')
  mockClient(SecretsManagerClient)
    .on(GetSecretValueCommand)
    .resolves({ SecretString: JSON.stringify({ username: user, password }) })
  Object.assign(process.env, {
    PGHOST: host,
    PGPORT: String(port),
    PGDATABASE: database.name,
    DATABASE_SECRET_ARN: 'arn:secret',
    LOCAL_ROLE_PASSWORD: ROLE_PASSWORD,
    HOT_RETENTION_DAYS: '30',
    AWS_REGION: 'us-east-1',
  })
})
afterAll(() => database.close())

async function column<Value>(query: string, values: unknown[] = []): Promise<Value[]> {
  const { rows } = await database.master.query<Record<string, Value>>(query, values)
  return rows.map((row) => Object.values(row)[0]!)
}

test('migrating a database that is up to date changes nothing', async () => {
  const { handler } = await import('../../lambdas/migrate/migrate.lambda.ts')
  await handler({}, lambdaContext) // a day may have begun since the tests did
  expect(await handler({}, lambdaContext)).toEqual({ applied: [], partitions: 0 })
})

test('there is a partition for each hot day and a week ahead; a missing one is made again', async () => {
  const { handler } = await import('../../lambdas/partitions/partitions.lambda.ts')
  const names = () => column<string>(`select relname from pg_class where relispartition and relkind = 'r' order by 1`)
  const before = await names()
  const dayOf = (time: number) => `telemetry_events_${new Date(time).toISOString().slice(0, 10).replaceAll('-', '')}`
  const oldest = oldestHotDay(Date.now(), 30)
  expect(before.slice(-38)).toEqual(Array.from({ length: 38 }, (_, day) => dayOf(oldest + day * 86_400_000)))

  await database.master.query(`drop table ${before.at(-35)!}, ${before.at(-1)!}`)
  expect(await handler({}, lambdaContext)).toEqual({ made: 2, dropped: [], rollups: 0, deadLetters: 0, alarms: 0 })
  expect(await names()).toEqual(before)
  const keys = await column<number>(
    `select count(*) from pg_inherits i join pg_index x on x.indexrelid = i.inhrelid where x.indisprimary`,
  )
  expect(keys).toEqual([before.length])
})

test('row-level security of the API is on for every table that holds data of a tenant', async () => {
  const tables = `pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
    where c.relkind in ('r', 'p') and not c.relispartition
    and (c.relname = 'tenants' or exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id'))`
  const all = await column<string>(`select c.relname from ${tables} order by 1`)
  const walled = await column<string>(`select c.relname from ${tables} and c.relrowsecurity and exists (
      select from pg_policy p where p.polrelid = c.oid and 'iot_api'::regrole = any(p.polroles)
        and pg_get_expr(p.polqual, p.polrelid) like '%app.tenant_id%') order by 1`)
  expect(all.length).toBeGreaterThanOrEqual(14)
  expect(walled).toEqual(all)
})

test('partitions can only be reached through their parent', async () => {
  const granted =
    await column<string>(`select c.relname from pg_class c, unnest(array['iot_api', 'iot_ingest', 'iot_admin', 'iot_rollup', 'iot_quarantine', 'iot_gateways', 'iot_alarms']) as r(name)
    where c.relispartition and c.relkind = 'r' and has_table_privilege(r.name, c.oid, 'select, insert, update, delete')`)
  expect(granted).toEqual([])
})

test('the API sees one tenant at a time, and none without saying which', async () => {
  const mine = await createPlant(database.master, 'rls-mine')
  await createPlant(database.master, 'rls-other')
  const client = await database.master.connect()
  const visible = async () =>
    (await client.query<{ slug: string }>('select slug from plants')).rows.map((row) => row.slug)
  try {
    await client.query('begin')
    await client.query('set local role iot_api')
    expect(await visible()).toEqual([])
    await client.query(`select set_config('app.tenant_id', $1, true)`, [mine.tenantId])
    expect(await visible()).toEqual([mine.plant])
    await expect(client.query('update tenants set name = name')).rejects.toThrow('permission denied')
  } finally {
    await client.query('rollback')
    client.release()
  }
})
