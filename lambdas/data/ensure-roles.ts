import { type Kysely, sql } from 'kysely'

const roles = [
  'iot_ingest',
  'iot_api',
  'iot_admin',
  'iot_rollup',
  'iot_quarantine',
  'iot_gateways',
  'iot_alarms',
  'iot_archive',
  'iot_exports',
]

/**
 * Makes the roles of the functions, idempotently. Roles belong to the whole server, so they are no migration.
 * In AWS they sign in by IAM (`rds_iam`); `localPassword` is set only where there is no such role.
 */
export async function ensureRoles<T>(db: Kysely<T>, localPassword: string | undefined): Promise<void> {
  const iam = await sql<{ found: boolean }>`
    select exists (select from pg_roles where rolname = 'rds_iam') as found`.execute(db)
  for (const role of roles) {
    const known = await sql`select from pg_roles where rolname = ${role}`.execute(db)
    if (known.rows.length === 0) await sql`create role ${sql.id(role)} login`.execute(db)
    if (iam.rows[0]?.found) await sql`grant rds_iam to ${sql.id(role)}`.execute(db)
    if (localPassword !== undefined)
      await sql`alter role ${sql.id(role)} password ${sql.lit(localPassword)}`.execute(db)
  }
}
