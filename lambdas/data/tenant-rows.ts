/** All rows of a tenant, table by table, through the functions of migration 0010, which know the tables from the catalogue. */
import { type Kysely, sql } from 'kysely'
import type { ExportedTable } from '../../schemas/admin.ts'
import type { Database } from './database.ts'

/** Not exported: work that waits to be done, and answers that are kept for a day under keys which nobody has any more. */
const NOT_EXPORTED = ['rollup_queue', 'archive_queue', 'idempotency_keys', 'alarm_outbox', 'alarm_deliveries']
/** Not data of a tenant's: with its hash nobody can do anything, and it shall not leave. */
const SECRET_COLUMNS = ['token_hash', 'sealed_secret']

/** Longer than other statements may take: a day of readings is looked through for what nobody expects there. */
const STATEMENT_TIMEOUT_MS = 100_000

/** Tables with rows of tenants, each partition by itself, in an order in which they can be emptied: who refers to others goes first. */
export async function tablesToErase(db: Kysely<Database>): Promise<string[]> {
  const { rows } = await sql<{ name: string; hasMachine: boolean; refersTo: string[] }>`
    select t.name, t.has_machine as "hasMachine", array(
      select distinct f.relname from pg_constraint k join pg_class f on f.oid = k.confrelid
      where k.contype = 'f' and k.conrelid = ('public.' || quote_ident(t.name))::regclass) as "refersTo"
    from tenant_tables() t order by t.name`.execute(db)
  // What is found by its machine has to go before the machines do.
  const left = rows.map((row) => ({ ...row, refersTo: row.hasMachine ? [...row.refersTo, 'machines'] : row.refersTo }))
  const order: string[] = []
  while (left.length > 0) {
    const next = left.findIndex(
      ({ name }) => !left.some((other) => other.name !== name && other.refersTo.includes(name)),
    )
    if (next < 0) throw new Error(`These tables refer to one another: ${left.map(({ name }) => name).join(', ')}`)
    order.push(left.splice(next, 1)[0]!.name)
  }
  return order
}

/** Removes at most `limit` rows, and returns how many. */
export async function eraseRows(db: Kysely<Database>, tenantId: string, table: string, limit: number): Promise<number> {
  return withTime(db, async (connection) => {
    const { rows } = await sql<{ removed: number }>`
      select erase_tenant_rows(${tenantId}, ${table}, ${limit}) as removed`.execute(connection)
    return rows[0]!.removed
  })
}

export async function countRows(db: Kysely<Database>, tenantId: string, table: string): Promise<number> {
  return withTime(db, async (connection) => {
    const { rows } = await sql<{ found: number }>`
      select count_tenant_rows(${tenantId}, ${table}) as found`.execute(connection)
    return rows[0]!.found
  })
}

export async function eraseTenant(db: Kysely<Database>, tenantId: string): Promise<void> {
  await sql`select erase_tenant(${tenantId})`.execute(db)
}

/** Tables of an export with their columns; partitions are read through their parent. */
export async function tablesToExport(db: Kysely<Database>): Promise<ExportedTable[]> {
  const { rows } = await sql<{ table: string; name: string; type: string }>`
    select t.name as "table", c.name, c.type
    from (select distinct coalesce(partition_of, name) as name from tenant_tables()) t, table_columns(t.name) c
    where not t.name = any(${NOT_EXPORTED}) and not c.name = any(${SECRET_COLUMNS})
    order by t.name`.execute(db)
  return [...Map.groupBy(rows, ({ table }) => table)].map(([name, columns]) => ({
    name,
    columns: columns.map((column) => ({ name: column.name, type: column.type })),
  }))
}

type Row = Record<string, unknown>

/** Columns of the primary key, in its order. */
export async function keyOf(db: Kysely<Database>, table: string): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select name from table_columns(${table}) where key_place is not null order by key_place`.execute(db)
  return rows.map(({ name }) => name)
}

/** `machineId`: of tables whose key begins with it; `after` is then the rest of the key. */
export async function readRows(
  db: Kysely<Database>,
  tenantId: string,
  table: string,
  { machineId, after, limit }: { machineId: string | null; after: string[] | null; limit: number },
): Promise<Row[]> {
  const { rows } = await sql<{ row: Row }>`
    select row from read_tenant_rows(${tenantId}, ${table}, ${machineId}, ${after}::text[], ${limit}) row`.execute(db)
  return rows.map(({ row }) =>
    Object.fromEntries(Object.entries(row).filter(([name]) => !SECRET_COLUMNS.includes(name))),
  )
}

export async function machineIdsOf(db: Kysely<Database>, tenantId: string, after: string): Promise<string[]> {
  const rows = await db
    .selectFrom('machines')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where('id', '>=', after)
    .orderBy('id')
    .execute()
  return rows.map(({ id }) => id)
}

function withTime<Result>(db: Kysely<Database>, work: (connection: Kysely<Database>) => Promise<Result>) {
  return db.transaction().execute(async (transaction) => {
    await sql`set local statement_timeout = ${sql.lit(STATEMENT_TIMEOUT_MS)}`.execute(transaction)
    return work(transaction)
  })
}
