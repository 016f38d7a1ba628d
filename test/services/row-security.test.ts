/** The second wall: what the API's database role can reach when a query forgets its filter. Read from the catalogue, so that a new table is judged too. */
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase, type TestDatabase } from '../helpers/postgres.ts'

interface Column {
  name: string
  type: string
}
interface Table {
  name: string
  columns: Column[]
}

/** Without tenant_id, and read by the API's role all the same: what is in them is of no tenant. */
const OF_NO_TENANT = ['rollup_progress']
/** Values that a check or another table asks for; all others are made up from their types. */
const VALUES: Record<string, Record<string, unknown>> = {
  alarm_conditions: { phase: 'active' },
  alarm_deliveries: { state: 'due' },
  alarm_outbox: { type: 'raised' },
  alarm_rules: { severity: 'high' },
  archive_files: { state: 'live' },
  exports: { format: 'csv' },
  gateway_certificates: { state: 'requested' },
  gateway_connections: { connection: 'online' },
  quarantine: { queue: 'telemetry' },
  rollups: { kind: 'number' },
  users: { role: 'viewer' },
}
const TENANTS = ['01890a5d-ac96-774b-bcce-b302099a8057', '01890a5d-ac96-774b-bcce-b302099a8058'] as const

let database: TestDatabase
let api: pg.Client
let tables: Table[]

beforeAll(async () => {
  database = await createDatabase()
  const { PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD } = database.environment('iot_api')
  const port = Number(PGPORT)
  api = new pg.Client({ host: PGHOST!, port, database: PGDATABASE!, user: PGUSER!, password: PGPASSWORD! })
  await api.connect()
  tables = await tablesOf(`exists (select from pg_attribute a
    where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)`)
  for (const [index, tenantId] of TENANTS.entries()) {
    await database.master.query('insert into tenants (id, slug, name, created_at) values ($1, $2, $2, 0)', [
      tenantId,
      `tenant-${index}`,
    ])
    for (const table of tables) await addRow(table, tenantId, index)
  }
})
afterAll(async () => {
  await api.end()
  await database.close()
})

async function tablesOf(condition: string): Promise<Table[]> {
  const { rows } = await database.master.query<Table>(
    `select c.relname as name, (
        select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, null)) order by a.attnum)
        from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
          and a.attgenerated = '' and (a.attnotnull or a.attname = 'tenant_id')
          and (not a.atthasdef or a.attname = 'tenant_id')) as columns
     from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
       and ${condition} order by 1`,
  )
  return rows
}

/** A row of the tenant in the table, whatever it refers to: references are not checked while it is added. */
async function addRow({ name, columns }: Table, tenantId: string, index: number): Promise<void> {
  const values = columns.map((column) =>
    column.name === 'tenant_id' ? tenantId : (VALUES[name]?.[column.name] ?? madeUp(column.type, index)),
  )
  const client = await database.master.connect()
  try {
    await client.query('set session_replication_role = replica')
    const names = columns.map((column) => `"${column.name}"`).join(', ')
    const places = columns.map((_, n) => `$${n + 1}`).join(', ')
    await client.query(`insert into "${name}" (${names}) values (${places})`, values)
  } catch (error) {
    throw new Error(`no row could be made up for the table ${name}: add what it asks for to VALUES of this test`, {
      cause: error,
    })
  } finally {
    await client.query('set session_replication_role = default')
    client.release()
  }
}

function madeUp(type: string, index: number): unknown {
  if (type === 'uuid') return `01890a5d-ac96-774b-bcce-b302099a900${index}`
  if (type === 'jsonb') return '{}'
  if (type === 'bytea') return Buffer.from([index])
  if (type === 'boolean') return false
  if (type.endsWith('[]') || type.endsWith('multirange')) return '{}'
  if (type.startsWith('bit')) return '0'.repeat(1024)
  // Today: the partitions of telemetry are there for it.
  if (type === 'bigint') return Date.now() + index
  if (/int|numeric|double|real/.test(type)) return index
  return `x${index}`
}

/** Undefined when the role may not do it at all. */
async function asApi(tenantId: string | undefined, sql: string): Promise<pg.QueryResult | undefined> {
  await api.query('begin')
  try {
    if (tenantId !== undefined) await api.query(`select set_config('app.tenant_id', $1, true)`, [tenantId])
    return await api.query(sql)
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.code === '42501') return undefined
    throw error
  } finally {
    await api.query('rollback')
  }
}

describe('a table with tenant_id', () => {
  it('is one of many, with rows of two tenants each', async () => {
    expect(tables.length).toBeGreaterThan(14)
    for (const { name } of tables) {
      const { rows } = await database.master.query(`select distinct tenant_id from "${name}" order by 1`)
      expect(
        rows.map((row: { tenant_id: string }) => row.tenant_id),
        name,
      ).toEqual(TENANTS)
    }
  })

  it('has row security and exactly one policy for the API, which compares with the tenant of the transaction', async () => {
    for (const { name } of [...tables, { name: 'tenants' }]) {
      const { rows } = await database.master.query<{ on: boolean; policies: string[] | null }>(
        `select c.relrowsecurity as on, (
            select array_agg(pg_get_expr(p.polqual, p.polrelid) || ' / ' || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'same'))
            from pg_policy p where p.polrelid = c.oid
              and ('iot_api'::regrole = any(p.polroles) or 0 = any(p.polroles))) as policies
         from pg_class c where c.oid = $1::regclass`,
        [name],
      )
      const column = name === 'tenants' ? 'id' : 'tenant_id'
      // As a sub-select it is read once per query, not once per row.
      const tenant = `( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")`
      const condition = `(${column} = ${tenant}) / same`
      expect(rows[0], `the table ${name}`).toEqual({ on: true, policies: [condition] })
    }
  })

  it('shows nothing without a tenant, or of another one, and its own rows to the tenant', async () => {
    let read = 0
    for (const { name } of tables) {
      const sql = `select tenant_id from "${name}"`
      expect((await asApi(undefined, sql))?.rows ?? [], `${name} without a tenant`).toEqual([])
      expect((await asApi('', sql))?.rows ?? [], `${name} with an empty tenant`).toEqual([])
      for (const tenantId of TENANTS) {
        const seen = await asApi(tenantId, sql)
        if (seen === undefined) continue
        read++
        expect(seen.rows, `${name} as ${tenantId}`).toEqual([{ tenant_id: tenantId }])
      }
    }
    expect(read).toBeGreaterThan(20)
    expect((await asApi(TENANTS[0], 'select id from tenants'))!.rows).toEqual([{ id: TENANTS[0] }])
    expect((await asApi(undefined, 'select id from tenants'))!.rows).toEqual([])
  })

  it('cannot be written for another tenant, nor its rows changed or removed', async () => {
    for (const { name, columns } of tables) {
      const others = `where tenant_id = '${TENANTS[1]}'`
      const changed = await asApi(TENANTS[0], `update "${name}" set tenant_id = tenant_id ${others}`)
      expect(changed?.rowCount ?? 0, `update of ${name}`).toBe(0)
      const removed = await asApi(TENANTS[0], `delete from "${name}" ${others}`)
      expect(removed?.rowCount ?? 0, `delete from ${name}`).toBe(0)
      const names = columns.map((column) => `"${column.name}"`)
      const values = names.map((column) => (column === '"tenant_id"' ? `'${TENANTS[1]}'::uuid` : column))
      const add = `insert into "${name}" (${names.join(', ')}) select ${values.join(', ')} from "${name}"`
      expect(await asApi(TENANTS[0], add), `insert into ${name}`).toBeUndefined()
      const give = `update "${name}" set tenant_id = '${TENANTS[1]}'`
      expect(await asApi(TENANTS[0], give), `rows of ${name} given away`).toBeUndefined()
    }
  })
})

describe('the API’s role', () => {
  it('reads nothing else but what is of no tenant', async () => {
    const others = await tablesOf(`not exists (select from pg_attribute a
      where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped) and c.relname <> 'tenants'
      and has_table_privilege('iot_api', c.oid, 'select, insert, update, delete, truncate')`)
    expect(others.map(({ name }) => name)).toEqual(OF_NO_TENANT)
  })

  it('reaches no partition past its parent’s policy, and no view with its owner’s rights', async () => {
    const { rows } = await database.master.query(
      `select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace
         and (c.relispartition or c.relkind = 'm' or c.relkind = 'v' and not coalesce('security_invoker=true' = any(c.reloptions), false))
         and has_table_privilege('iot_api', c.oid, 'select, insert, update, delete, truncate')`,
    )
    expect(rows).toEqual([])
  })

  it('owns nothing, is bound by row security, and can become nobody else', async () => {
    const { rows } = await database.master.query(
      `select rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb,
         (select count(*) from pg_class where relowner = r.oid) as owned,
         (select count(*) from pg_auth_members where member = r.oid and roleid not in (
            select oid from pg_roles where rolname = 'rds_iam')) as memberships
       from pg_roles r where rolname like 'iot\\_%'`,
    )
    expect(rows.length).toBeGreaterThan(4)
    for (const { rolname, ...rights } of rows as Record<string, unknown>[]) {
      expect(rights, String(rolname)).toEqual({
        ...{ rolsuper: false, rolbypassrls: false, rolcreaterole: false, rolcreatedb: false },
        ...{ owned: 0, memberships: 0 },
      })
    }
  })

  it('passes row security only by functions that it was given by name and that no search path can mislead', async () => {
    const { rows } = await database.master.query<{ name: string; anybody: boolean; config: string[] | null }>(
      `select p.proname as name, p.proconfig as config, has_function_privilege('public', p.oid, 'execute') as anybody
       from pg_proc p where p.pronamespace = 'public'::regnamespace and p.prosecdef`,
    )
    expect(rows.map(({ name }) => name)).toEqual(expect.arrayContaining(['find_user', 'find_enrolment']))
    for (const { name, anybody, config } of rows) {
      expect({ anybody, config }, name).toEqual({ anybody: false, config: ['search_path=public, pg_temp'] })
    }
  })
})

describe('audit_log', () => {
  it('is append only for every role of a function', async () => {
    const { rows } = await database.master.query(
      `select rolname, privilege from pg_roles, unnest(array['update', 'delete', 'truncate', 'trigger', 'references']) privilege
       where rolname like 'iot\\_%' and has_table_privilege(rolname, 'audit_log', privilege)`,
    )
    expect(rows).toEqual([])
  })
})
