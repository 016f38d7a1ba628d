import { SQSClient } from '@aws-sdk/client-sqs'
import * as v from 'valibot'
import type { Database } from '../data/database.ts'
import { endShelves, forgetOldOutbox, readUntold, summariseFloods } from '../data/relay-alarms.ts'
import { requestDeliveries, tellAlarms } from '../data/tell-alarms.ts'
import { NOTHING_WRITTEN } from '../data/write-alarm-changes.ts'
import { alarmEnvironment, postgresEnvironment, readEnvironment, redisEnvironment } from '../runtime/environment.ts'
import { frame, logger } from '../runtime/frame.ts'
import { longestWaitMs } from '../runtime/longest-wait.ts'
import { openPostgres } from '../runtime/postgres.ts'
import { openRedis } from '../runtime/redis.ts'
import { sweep } from './sweep.ts'

const environment = readEnvironment({
  ...postgresEnvironment,
  ...redisEnvironment,
  ...alarmEnvironment,
  TELEMETRY_QUEUE_URL: v.pipe(v.string(), v.url()),
  FAN_OUT_QUEUE_URL: v.pipe(v.string(), v.url()),
})
const { pool, db } = openPostgres<Database>(environment)
const sqs = new SQSClient()
const realtime = {
  ...{ db, sqs, redis: openRedis(environment) },
  ...{ fanOutQueueUrl: environment.FAN_OUT_QUEUE_URL, alarmQueueUrl: environment.ALARM_QUEUE_URL },
}

/** Readings that wait for longer are our fault, and no machine's silence. */
const LONGEST_WAIT_MS = 10_000

/** Each minute: what no reading tells of, and what was written and not told. Twice at once, or again after a failure, does nothing twice. */
export const handler = frame(async () => {
  const isBehind = (await longestWaitMs(sqs, environment.TELEMETRY_QUEUE_URL)) > LONGEST_WAIT_MS
  const written = (await sweep({ pool, db }, Date.now(), isBehind)) ?? NOTHING_WRITTEN
  await tellAlarms(realtime, written)

  const now = Date.now()
  const unshelved = await endShelves(db, now)
  const floods = await summariseFloods(db, now)
  const { rows, untried } = await readUntold(db, now)
  const alarmIds = [...new Set([...unshelved, ...rows.flatMap(({ alarmId }) => alarmId ?? [])])]
  await tellAlarms(realtime, { alarmIds, outboxIds: [...floods, ...rows.map(({ outboxId }) => outboxId)] })
  await requestDeliveries(sqs, environment.ALARM_QUEUE_URL, untried)
  await forgetOldOutbox(db, now)
  const counts = { changed: written.alarmIds.length, unshelved: unshelved.length, floods: floods.length }
  logger.info('Alarms swept', { ...counts, isBehind, untold: rows.length + untried.length })
  return counts
})
