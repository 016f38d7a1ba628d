import { afterAll, beforeAll, expect, it } from 'vitest'
import { createDatabase, type TestDatabase } from '../helpers/postgres.ts'
import { createTenant, type TestTenant } from '../helpers/tenants.ts'

let database: TestDatabase
let tenant: TestTenant

beforeAll(async () => {
  database = await createDatabase()
  tenant = await createTenant(database.master, [])
  await database.master.query(
    `insert into audit_log (id, tenant_id, at, action, subject, request_id)
     select gen_random_uuid(), $1, n, 'machine.change', 'north/m', 'r' from generate_series(1, 3) n`,
    [tenant.tenantId],
  )
})
afterAll(() => database.close())

const count = async () => (await database.master.query('select from audit_log')).rowCount

const STATEMENTS = [
  `update audit_log set subject = 'other'`,
  `update audit_log set at = at`,
  'delete from audit_log',
  'truncate audit_log',
  'truncate tenants cascade',
]

async function rolesThatExist(): Promise<string[]> {
  const { rows } = await database.master.query<{ rolname: string }>(
    `select rolname from pg_roles where rolname like 'iot\\_%' order by 1`,
  )
  return rows.map(({ rolname }) => rolname)
}

it('is append-only for each role of the functions, and for its owner', async () => {
  const roles = [...(await rolesThatExist()), undefined]
  expect(roles.length).toBeGreaterThanOrEqual(6)
  const client = await database.master.connect()
  for (const role of roles) {
    for (const statement of STATEMENTS) {
      await client.query('begin')
      if (role !== undefined) await client.query(`set local role ${role}`)
      await client.query(`select set_config('app.tenant_id', $1, true)`, [tenant.tenantId])
      await expect(client.query(statement), `${role}: ${statement}`).rejects.toMatchObject({ code: '42501' })
      await client.query('rollback')
    }
  }
  client.release()
  expect(await count()).toBe(3)
})

it('is append-only in a session that says that it replicates', async () => {
  const client = await database.master.connect()
  await client.query('begin')
  await client.query(`set local session_replication_role = 'replica'`)
  await expect(client.query('delete from audit_log')).rejects.toMatchObject({ code: '42501' })
  await client.query('rollback')
  client.release()
})

it('lets go of a tenant that is being deleted, and changes nothing even then', async () => {
  await database.master.query('update tenants set deleting_at = 1 where id = $1', [tenant.tenantId])
  await expect(database.master.query(`update audit_log set subject = 'other'`)).rejects.toMatchObject({ code: '42501' })
  const { rows } = await database.master.query<{ removed: number }>(
    `select erase_tenant_rows($1, 'audit_log', 2) as removed`,
    [tenant.tenantId],
  )
  expect(rows).toEqual([{ removed: 2 }])
  expect(await count()).toBe(1)
})
