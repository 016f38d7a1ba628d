import { SQSClient } from '@aws-sdk/client-sqs'
import { setImmediate } from 'node:timers/promises'
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda'
import { ruleBook } from '../alarms/rule-book.ts'
import type { Database } from '../data/database.ts'
import { machineRegister } from '../data/machine-register.ts'
import { ensurePartitions, oldestHotDay } from '../data/partitions.ts'
import { knownPlaces } from '../data/places.ts'
import { LOCK_BUCKETS, lockBucket } from '../data/store-telemetry.ts'
import { sendDeadLetters } from '../runtime/dead-letters.ts'
import {
  alarmEnvironment,
  postgresEnvironment,
  queueEnvironment,
  readEnvironment,
  redisEnvironment,
  retentionEnvironment,
} from '../runtime/environment.ts'
import { expiringMap } from '../runtime/expiring-map.ts'
import { frame, logger } from '../runtime/frame.ts'
import { openPostgres } from '../runtime/postgres.ts'
import { openRedis } from '../runtime/redis.ts'
import { type DeadLetter, judgeEach } from '../runtime/refusals.ts'
import { retryLater } from '../runtime/retry-later.ts'
import { type AddressedReading, addressReadings } from './address-readings.ts'
import { announce } from './announce.ts'
import { tellAlarms } from '../data/tell-alarms.ts'
import { countReadings } from './count-readings.ts'
import { noteSenders } from './note-senders.ts'
import { noteUnits } from './note-units.ts'
import { readTelemetry } from './read-telemetry.ts'
import { storeReadings, type StoreResult } from './store-readings.ts'
import { tracesOf } from './traces.ts'

const environment = readEnvironment({
  ...postgresEnvironment,
  ...redisEnvironment,
  ...queueEnvironment,
  ...alarmEnvironment,
  ...retentionEnvironment,
})
const { pool, db } = openPostgres<Database>(environment)
const redis = openRedis(environment)
const sqs = new SQSClient()
const places = knownPlaces(db)
const machines = machineRegister(db)
const rules = ruleBook(db)
const restless = expiringMap<true>(60_000)
const realtime = {
  ...{ db, redis, sqs, fanOutQueueUrl: environment.FAN_OUT_QUEUE_URL },
  alarmQueueUrl: environment.ALARM_QUEUE_URL,
}

/** Readings in one statement, more or less. A larger batch goes in parts, so that those stored are announced meanwhile. */
const PART = 350

/**
 * From the telemetry queue into Postgres, each reading exactly once. A message is handled when it is stored, known as a
 * duplicate, or in the dead letter queue; every other one comes back. Throwing means that the whole batch comes back.
 */
export const handler = frame(async (event: SQSEvent): Promise<SQSBatchResponse> => {
  const oldest = oldestHotDay(Date.now(), environment.HOT_RETENTION_DAYS)
  const refused: DeadLetter[] = []
  const records = event.Records.map((record) => ({ record }))

  const readings = judgeEach(records, refused, readTelemetry)
  const { addressed, unaddressed } = await addressReadings({ places, machines }, readings, oldest, refused)
  const parts = inParts(addressed).map((part) =>
    storeReadings({ pool, rules, restless, oldest, createPartitions }, part).then(tell),
  )
  const stored = await Promise.all(parts)
  countReadings(stored)
  refused.push(...stored.flatMap((part) => part.refused))
  const unstored = stored.flatMap((part) => part.unstored)
  const unsent = await sendDeadLetters(sqs, environment.DEAD_LETTER_QUEUE_URL, refused)
  return retryLater(sqs, environment.QUEUE_URL, [...unaddressed, ...unstored, ...unsent])
})

/**
 * Parts that have no lock in common, from any of them on: consumers whose batches are of the same machines then seldom
 * wait for one another's commit.
 */
function inParts(readings: AddressedReading[]): AddressedReading[][] {
  const count = Math.ceil(readings.length / PART)
  const first = Math.floor(Math.random() * count)
  const parts = Map.groupBy(
    readings,
    ({ machineId }) => (Math.floor((lockBucket(machineId) * count) / LOCK_BUCKETS) + first) % count,
  )
  return [...parts].sort(([one], [other]) => one - other).map(([, part]) => part)
}

/** After the commit: nothing here can undo it, or fail. The statement of the next part goes first. */
async function tell(stored: StoreResult): Promise<StoreResult> {
  logger.info('Readings stored', { stored: tracesOf(stored.fresh), repeated: tracesOf(stored.duplicates) })
  await setImmediate()
  await tellAlarms(realtime, stored.alarms)
  await noteSenders(db, [...stored.fresh, ...stored.duplicates])
  await noteUnits(db, stored)
  await announce({ ...realtime, machines }, stored)
  return stored
}

const createPartitions = () => ensurePartitions(db, Date.now(), environment.HOT_RETENTION_DAYS)
