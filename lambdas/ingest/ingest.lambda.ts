import { SQSClient } from '@aws-sdk/client-sqs'
import { setImmediate } from 'node:timers/promises'
import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import type { Database } from '../data/database.ts'
import { machineRegister } from '../data/machine-register.ts'
import { ensurePartitions, oldestHotDay } from '../data/partitions.ts'
import { knownPlaces } from '../data/places.ts'
import { sendDeadLetters } from '../runtime/dead-letters.ts'
import {
  postgresEnvironment,
  queueEnvironment,
  readEnvironment,
  redisEnvironment,
  retentionEnvironment,
} from '../runtime/environment.ts'
import { frame } from '../runtime/frame.ts'
import { openPostgres } from '../runtime/postgres.ts'
import { openRedis } from '../runtime/redis.ts'
import { type DeadLetter, judgeEach } from '../runtime/refusals.ts'
import { retryLater } from '../runtime/retry-later.ts'
import { addressReadings } from './address-readings.ts'
import { announce } from './announce.ts'
import { countReadings } from './count-readings.ts'
import { noteSenders } from './note-senders.ts'
import { noteUnits } from './note-units.ts'
import { readTelemetry } from './read-telemetry.ts'
import { storeReadings, type StoreResult } from './store-readings.ts'

const environment = readEnvironment({
  ...postgresEnvironment,
  ...redisEnvironment,
  ...queueEnvironment,
  ...retentionEnvironment,
})
const { pool, db } = openPostgres<Database>(environment)
const redis = openRedis(environment)
const sqs = new SQSClient()
const places = knownPlaces(db)
const machines = machineRegister(db)

/**
 * Readings in one statement. A larger batch goes in parts: Postgres stores one while this process reads the next and
 * announces the one before.
 */
const PART = 350

/**
 * From the telemetry queue into Postgres, each reading exactly once. A message is handled when it is stored, known as a
 * duplicate, or in the dead letter queue; every other one comes back. Throwing means that the whole batch comes back.
 */
export const handler = frame(async (event: SQSEvent): Promise<SQSBatchResponse> => {
  const oldest = oldestHotDay(Date.now(), environment.HOT_RETENTION_DAYS)
  const refused: DeadLetter[] = []
  const toRetry: SQSRecord[] = []
  const parts: Promise<StoreResult>[] = []

  for (let start = 0; start < event.Records.length; start += PART) {
    const records = event.Records.slice(start, start + PART).map((record) => ({ record }))
    const readings = judgeEach(records, refused, readTelemetry)
    const { addressed, unaddressed } = await addressReadings({ places, machines }, readings, oldest, refused)
    toRetry.push(...unaddressed)
    parts.push(storeReadings({ pool, oldest, createPartitions }, addressed).then(tell))
    await setImmediate() // the statement leaves before the next part is read
  }
  const stored = await Promise.all(parts)
  countReadings(stored)
  for (const part of stored) {
    refused.push(...part.refused)
    toRetry.push(...part.unstored)
  }

  const unsent = await sendDeadLetters(sqs, environment.DEAD_LETTER_QUEUE_URL, refused)
  return retryLater(sqs, environment.QUEUE_URL, [...toRetry, ...unsent])
})

/** After the commit: nothing here can undo it, or fail. The statement of the next part goes first. */
async function tell(stored: StoreResult): Promise<StoreResult> {
  await setImmediate()
  await noteSenders(db, [...stored.fresh, ...stored.duplicates])
  await noteUnits(db, stored)
  await announce({ db, machines, redis, sqs, fanOutQueueUrl: environment.FAN_OUT_QUEUE_URL }, stored)
  return stored
}

const createPartitions = () => ensurePartitions(db, Date.now(), environment.HOT_RETENTION_DAYS)
