/** The frame around each query of the API: one tenant, one transaction, and statements that are planned once per connection. */
import { type Kysely, sql } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Database } from '../../lambdas/data/database.ts'
import { inTenant } from '../../lambdas/data/tenant-transaction.ts'
import { openPostgres, type Postgres } from '../../lambdas/runtime/postgres.ts'
import { createDatabase, type TestDatabase } from '../helpers/postgres.ts'
import { createTenant, type TestTenant } from '../helpers/tenants.ts'

let database: TestDatabase
let postgres: Postgres<Database>
let tenant: TestTenant

beforeAll(async () => {
  database = await createDatabase()
  const { PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD } = database.environment('iot_api') as Record<
    'PGHOST' | 'PGPORT' | 'PGDATABASE' | 'PGUSER' | 'PGPASSWORD',
    string
  >
  const settings = { PGHOST, PGPORT: Number(PGPORT), PGDATABASE, PGUSER, PGPASSWORD, AWS_REGION: 'us-east-1' }
  postgres = openPostgres<Database>(settings)
  tenant = await createTenant(database.master, ['north'])
})
afterAll(async () => {
  await postgres.close()
  await database.close()
})

const slugs = (db: Kysely<Database>) => db.selectFrom('plants').select('slug').execute()
const newPlant = (db: Kysely<Database>, slug: string) =>
  sql`insert into plants (id, tenant_id, province, slug, name, time_zone, created_at, updated_at)
    values (${uuidv7()}, ${tenant.tenantId}, 'ba', ${slug}, ${slug}, 'UTC', 0, 0)`.execute(db)

it('sees the tenant’s rows, and none any more when the transaction is over', async () => {
  expect(await inTenant(postgres.db, tenant.tenantId, slugs)).toEqual([{ slug: 'north' }])
  expect(await inTenant(postgres.db, uuidv7(), slugs)).toEqual([])
  expect(await slugs(postgres.db)).toEqual([])
})

it('undoes everything when the work fails, and leaves the connection as it was', async () => {
  const failing = inTenant(postgres.db, tenant.tenantId, async (transaction) => {
    await newPlant(transaction, 'undone')
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  expect(await slugs(postgres.db)).toEqual([])
  expect(await inTenant(postgres.db, tenant.tenantId, slugs)).toEqual([{ slug: 'north' }])
})

it('does not report as done what Postgres has rolled back after a failure that the work has swallowed', async () => {
  const swallowing = inTenant(postgres.db, tenant.tenantId, async (transaction) => {
    await newPlant(transaction, 'lost')
    await newPlant(transaction, 'lost').catch(() => undefined)
  })
  await expect(swallowing).rejects.toThrow('rolled back instead of committed')
})

it.each(["x'; select set_config('app.tenant_id', 'y', true); --", '', 'NULL'])(
  'refuses %j as a tenant',
  async (tenantId) => {
    await expect(inTenant(postgres.db, tenantId, slugs)).rejects.toThrow('is no id of a tenant')
    expect(await slugs(postgres.db)).toEqual([])
  },
)

it('plans a statement once per connection, and keeps a bounded number of them', async () => {
  const prepared = async () => {
    const { rows } = await sql<{ statement: string }>`select statement from pg_prepared_statements`.execute(postgres.db)
    return rows.map(({ statement }) => statement)
  }
  const find = (id: string) => postgres.db.selectFrom('plants').select('name').where('id', '=', id).execute()
  for (let n = 0; n < 3; n++) await find(uuidv7())
  expect((await prepared()).filter((text) => text.startsWith('select "name" from "plants"'))).toHaveLength(1)
  for (let n = 1; n <= 300; n++) {
    const { rows } = await sql<{ n: number }>`select ${n}::int + ${sql.lit(n)} as n`.execute(postgres.db)
    expect(rows).toEqual([{ n: 2 * n }])
  }
  expect((await prepared()).length).toBeLessThanOrEqual(200)
})
