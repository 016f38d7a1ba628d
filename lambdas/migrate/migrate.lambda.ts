import { migrateDatabase } from '../data/migrate-database.ts'
import { masterEnvironment, readEnvironment, retentionEnvironment } from '../runtime/environment.ts'
import { frame, logger } from '../runtime/frame.ts'
import { openPostgresAsMaster } from '../runtime/postgres.ts'
import { readMasterUser } from '../runtime/secrets.ts'

const environment = readEnvironment({
  ...masterEnvironment,
  ...retentionEnvironment,
})

/** Brings the database to the schema of this deployment. Throws when it cannot, which fails the deployment. */
export const handler = frame(async () => {
  const { PGHOST: host, PGPORT: port, PGDATABASE: dbname, LOCAL_ROLE_PASSWORD } = environment
  const user = await readMasterUser(environment.DATABASE_SECRET_ARN)
  const { db, close } = openPostgresAsMaster({ ...user, host, port, dbname }, LOCAL_ROLE_PASSWORD === undefined)
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
