import { setTimeout } from 'node:timers/promises'
import { SQSClient } from '@aws-sdk/client-sqs'
import * as v from 'valibot'
import type { Database } from '../data/database.ts'
import { redriveNext } from '../data/redrive.ts'
import { postgresEnvironment, readEnvironment } from '../runtime/environment.ts'
import { frame, logger, metrics } from '../runtime/frame.ts'
import { openPostgres } from '../runtime/postgres.ts'
import { backToQueue } from './back-to-queue.ts'

const Url = v.pipe(v.string(), v.url())
const environment = readEnvironment({ ...postgresEnvironment, TELEMETRY_QUEUE_URL: Url, STATUS_QUEUE_URL: Url })
const { db } = openPostgres<Database>(environment)
const sqs = new SQSClient()
const urls = { telemetry: environment.TELEMETRY_QUEUE_URL, status: environment.STATUS_QUEUE_URL }

/** 100 messages a second: what gateways send meanwhile hardly waits for them. */
const BATCH = 10
const BATCH_MS = 100
/** What a batch may still need when it begins. */
const RESERVE_MS = 10_000

/**
 * Puts the dead letters that somebody has asked for back into their queues, until there are none or the time is over: the
 * next run of the schedule goes on, also after a run that died. What is refused again comes to quarantine as a new row.
 */
export const handler = frame(async (_event: unknown, context) => {
  let redriven = 0
  while (context.getRemainingTimeInMillis() > RESERVE_MS) {
    const pause = setTimeout(BATCH_MS)
    const sent = await redriveNext(db, BATCH, (letters) => backToQueue(sqs, urls, letters))
    redriven += sent
    if (sent < BATCH) break // there are no more, or the queue takes none and the log says why
    await pause
  }
  if (redriven > 0) {
    metrics.addMetric('RedrivenMessages', 'Count', redriven)
    logger.info('Redriven', { redriven })
  }
  return { redriven }
})
