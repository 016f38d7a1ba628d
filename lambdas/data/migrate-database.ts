import type { Kysely } from 'kysely'
import { Migrator } from 'kysely/migration'
import { ensureRoles } from './ensure-roles.ts'
import { migrations } from './migrations.ts'
import { ensurePartitions } from './partitions.ts'

export interface MigrationSettings {
  hotRetentionDays: number
  /** Password of the functions' roles where the database has no IAM. */
  localRolePassword?: string | undefined
}

/** Brings roles, schema and partitions up to date, idempotently. Throws with the name of the migration that failed. */
export async function migrateDatabase<T>(db: Kysely<T>, settings: MigrationSettings) {
  await ensureRoles(db, settings.localRolePassword)
  const provider = { getMigrations: () => Promise.resolve(migrations) }
  const { error, results = [] } = await new Migrator({ db, provider }).migrateToLatest()
  if (error !== undefined) {
    const failed = results.find((result) => result.status === 'Error')?.migrationName
    throw new Error(`The migration ${failed ?? '(none)'} failed; nothing of it remains`, { cause: error })
  }
  const partitions = await ensurePartitions(db, Date.now(), settings.hotRetentionDays)
  return { applied: results.map((result) => result.migrationName), partitions }
}
