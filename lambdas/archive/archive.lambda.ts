import { tmpdir } from 'node:os'
import * as v from 'valibot'
import { countLateDays, dueDays } from '../data/archive-days.ts'
import type { Database } from '../data/database.ts'
import { firstOpenDay } from '../data/partitions.ts'
import { postgresEnvironment, readEnvironment, retentionEnvironment } from '../runtime/environment.ts'
import { frame, logger, metrics } from '../runtime/frame.ts'
import { Objects } from '../runtime/objects.ts'
import { openPostgres } from '../runtime/postgres.ts'
import { archiveDay, type Reached } from './archive-day.ts'
import { VerificationFailed } from './read-back.ts'
import { LARGEST_FILE } from './services.ts'

const environment = readEnvironment({ ...postgresEnvironment, ...retentionEnvironment, ARCHIVE_BUCKET: v.string() })

const { db } = openPostgres<Database>(environment)
const { pool: reader } = openPostgres<Database>(environment)
const objects = new Objects(environment.ARCHIVE_BUCKET)

/** No step is begun with less time left: the largest file is written, sent and read back in less. */
const SPARE_MS = 4 * 60_000

/**
 * Every quarter of an hour: days that are over go into the archive, late data follows, and what may soon be dropped is
 * verified. One day that fails does not keep back the others. Throwing means an alarm; the next run tries again.
 */
export const handler = frame(async (_event: unknown, context) => {
  const hasTime = () => context.getRemainingTimeInMillis() > SPARE_MS
  const firstOpen = firstOpenDay(Date.now(), environment.HOT_RETENTION_DAYS)
  // Before the work: it stays above 0 when the work does not get through, or fails each time.
  metrics.addMetric('ArchiveDaysLate', 'Count', await countLateDays(db, Date.now(), firstOpen))
  const done: Record<Reached, number> = { busy: 0, more: 0, archived: 0, verified: 0 }
  const failures: unknown[] = []
  for (const day of await dueDays(db, Date.now(), firstOpen)) {
    if (!hasTime()) break
    try {
      done[
        await archiveDay({ db, reader, objects, maxFile: LARGEST_FILE, hasTime, folder: tmpdir(), now: Date.now }, day)
      ] += 1
    } catch (error) {
      logger.error('A day could not be archived', { tenant: day.tenant, day: day.day, error })
      if (error instanceof VerificationFailed) metrics.addMetric('ArchiveVerificationFailed', 'Count', 1)
      failures.push(error)
    }
  }
  if (Object.values(done).some((count) => count > 0)) logger.info('Archived', done)
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} days could not be archived`)
  return done
})
