import type { Database } from '../data/database.ts'
import { rollUpNext } from '../data/roll-up.ts'
import { countWaitingHours, enqueueFinishedHours } from '../data/rollup-queue.ts'
import { postgresEnvironment, readEnvironment } from '../runtime/environment.ts'
import { frame, logger, metrics } from '../runtime/frame.ts'
import { openPostgres } from '../runtime/postgres.ts'

const { db } = openPostgres<Database>(readEnvironment(postgresEnvironment))

/** No hour is begun with less time left: a statement may take 20 s. */
const SPARE_MS = 20_000

/** More are waiting than anybody needs to know exactly. */
const MANY = 10_000

/**
 * Each minute: what has changed in hours that are over goes into the rollups. Throwing leaves the rest on the queue.
 * The metric is taken before the work: it stays above 0 when the work does not get through, or fails each time.
 */
export const handler = frame(async (_event: unknown, context) => {
  await enqueueFinishedHours(db)
  metrics.addMetric('RollupHoursWaiting', 'Count', await countWaitingHours(db, MANY))
  let rolledUp = 0
  while (context.getRemainingTimeInMillis() > SPARE_MS && (await rollUpNext(db))) rolledUp += 1
  if (rolledUp > 0) logger.info('Rolled up', { machineHours: rolledUp })
  return { rolledUp }
})
