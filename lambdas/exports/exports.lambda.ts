import { tmpdir } from 'node:os'
import { SQSClient } from '@aws-sdk/client-sqs'
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import * as v from 'valibot'
import { ExportWorkItem } from '../../schemas/exports.ts'
import type { Database } from '../data/database.ts'
import { postgresEnvironment, readEnvironment } from '../runtime/environment.ts'
import { frame, logger, metrics } from '../runtime/frame.ts'
import { Objects } from '../runtime/objects.ts'
import { openPostgres } from '../runtime/postgres.ts'
import { retryLater } from '../runtime/retry-later.ts'
import { makeExport } from './make-export.ts'

const environment = readEnvironment({
  ...postgresEnvironment,
  ARCHIVE_BUCKET: v.string(),
  EXPORTS_BUCKET: v.string(),
  EXPORT_QUEUE_URL: v.pipe(v.string(), v.url()),
})
const { db } = openPostgres<Database>(environment)
const { pool: reader } = openPostgres<Database>(environment)
const archive = new Objects(environment.ARCHIVE_BUCKET)
const exports = new Objects(environment.EXPORTS_BUCKET)
const sqs = new SQSClient()

/** Time in which the last parts are sent. */
const SPARE_MS = 60_000
/** Of the 512 MB that a function has. */
const MAX_FILE_BYTES = 450 * 2 ** 20

/**
 * Makes the files that people have asked for. One that fails is made anew when its message comes again, under the same name: there is
 * no part of a file, and nothing twice.
 */
export const handler = frame(async (event: SQSEvent, context: Context): Promise<SQSBatchResponse> => {
  const hasTime = () => context.getRemainingTimeInMillis() > SPARE_MS
  const services = { db, reader, archive, exports, folder: tmpdir(), maxFileBytes: MAX_FILE_BYTES, hasTime }
  const failed: SQSRecord[] = []
  for (const record of event.Records) {
    try {
      const item = v.parse(ExportWorkItem, JSON.parse(record.body))
      const outcome = await makeExport(services, item)
      if (outcome === 'made') metrics.addMetric('ExportsMade', 'Count', 1)
      logger.info('Export', { ...item, outcome })
    } catch (error) {
      metrics.addMetric('ExportsFailed', 'Count', 1)
      logger.error('An export could not be made; it comes back', { body: record.body, error: error as Error })
      failed.push(record)
    }
  }
  return retryLater(sqs, environment.EXPORT_QUEUE_URL, failed)
})
