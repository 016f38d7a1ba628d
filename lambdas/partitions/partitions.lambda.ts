import * as v from 'valibot'
import { ensurePartitions } from '../data/partitions.ts'
import { readEnvironment, retentionEnvironment } from '../runtime/environment.ts'
import { frame, logger } from '../runtime/frame.ts'
import { openPostgresAsMaster } from '../runtime/postgres.ts'
import { readDatabaseSecret } from '../runtime/secrets.ts'

const environment = readEnvironment({
  DATABASE_SECRET_ARN: v.string(),
  LOCAL_ROLE_PASSWORD: v.optional(v.string()),
  ...retentionEnvironment,
})

/** Makes the day partitions of telemetry ahead, on a schedule. Throwing means retry, and in the end an alarm. */
export const handler = frame(async () => {
  const secret = await readDatabaseSecret(environment.DATABASE_SECRET_ARN)
  const { db, close } = openPostgresAsMaster(secret, environment.LOCAL_ROLE_PASSWORD === undefined)
  try {
    const made = await ensurePartitions(db, Date.now(), environment.HOT_RETENTION_DAYS)
    logger.info('Partitions made ahead', { made })
    return { made }
  } finally {
    await close()
  }
})
