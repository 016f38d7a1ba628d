import { noteFullBlocks } from '../data/completeness.ts'
import { deleteOldAlarms, deleteOldDeadLetters, deleteOldRollups, dropOldPartitions } from '../data/drop-old-data.ts'
import { ensurePartitions } from '../data/partitions.ts'
import { historyEnvironment, masterEnvironment, readEnvironment, retentionEnvironment } from '../runtime/environment.ts'
import { frame, logger } from '../runtime/frame.ts'
import { openPostgresAsMaster } from '../runtime/postgres.ts'
import { readMasterUser } from '../runtime/secrets.ts'

const environment = readEnvironment({
  ...masterEnvironment,
  ...retentionEnvironment,
  ...historyEnvironment,
})

const DELETE_FOR_MS = 30_000

/**
 * On a schedule: makes the day partitions of telemetry ahead, drops what is older than its retention, and notes which
 * blocks of the ledger are full. Throwing means an alarm; the next run tries again.
 */
export const handler = frame(async () => {
  const { PGHOST: host, PGPORT: port, PGDATABASE: dbname, LOCAL_ROLE_PASSWORD } = environment
  const user = await readMasterUser(environment.DATABASE_SECRET_ARN)
  const { db, close } = openPostgresAsMaster({ ...user, host, port, dbname }, LOCAL_ROLE_PASSWORD === undefined)
  try {
    const now = Date.now()
    const made = await ensurePartitions(db, now, environment.HOT_RETENTION_DAYS)
    const dropped = await dropOldPartitions(db, now, environment.HOT_RETENTION_DAYS)
    if (dropped.waiting > 0)
      logger.warn('Old days are kept until they are rolled up and archived', { days: dropped.waiting })
    const rollups = await deleteOldRollups(db, now, environment.HISTORY_RETENTION_DAYS, DELETE_FOR_MS)
    const deadLetters = await deleteOldDeadLetters(db, now, environment.HISTORY_RETENTION_DAYS, DELETE_FOR_MS)
    const alarms = await deleteOldAlarms(db, now, environment.HISTORY_RETENTION_DAYS, DELETE_FOR_MS)
    const old = { dropped: dropped.partitions, rollups, deadLetters, alarms }
    logger.info('Partitions made ahead, old data dropped', { made, ...old })
    await noteFullBlocks(db)
    return { made, ...old }
  } finally {
    await close()
  }
})
