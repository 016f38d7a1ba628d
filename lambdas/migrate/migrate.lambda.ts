import * as v from 'valibot'
import { migrateDatabase } from '../data/migrate-database.ts'
import { readEnvironment, retentionEnvironment } from '../runtime/environment.ts'
import { frame, logger } from '../runtime/frame.ts'
import { openPostgresAsMaster } from '../runtime/postgres.ts'
import { readDatabaseSecret } from '../runtime/secrets.ts'

const environment = readEnvironment({
  DATABASE_SECRET_ARN: v.string(),
  /** Only where the database has no IAM: local/ and tests. */
  LOCAL_ROLE_PASSWORD: v.optional(v.string()),
  ...retentionEnvironment,
})

/** Brings the database to the schema of this deployment. Throws when it cannot, which fails the deployment. */
export const handler = frame(async () => {
  const secret = await readDatabaseSecret(environment.DATABASE_SECRET_ARN)
  const { db, close } = openPostgresAsMaster(secret, environment.LOCAL_ROLE_PASSWORD === undefined)
  try {
    const migrated = await migrateDatabase(db, {
      hotRetentionDays: environment.HOT_RETENTION_DAYS,
      localRolePassword: environment.LOCAL_ROLE_PASSWORD,
    })
    logger.info('Database migrated', migrated)
    return migrated
  } finally {
    await close()
  }
})
