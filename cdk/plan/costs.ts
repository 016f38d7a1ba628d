/** What a fleet costs a month, by what for. */
import {
  HEARTBEATS_TOGETHER,
  BYTES_PER_SAMPLE,
  costsOfUsage,
  HOURS_PER_MONTH,
  MINUTES_PER_MONTH,
  PRICES,
  SECONDS_PER_MONTH,
} from '../../schemas/prices.ts'
import { type Batching, INGEST_PROFILES, type Settings } from '../settings.ts'
import {
  batchOf,
  type DatabaseClass,
  invocationSec,
  isDatabaseClass,
  type Profile,
  storedPerSecond,
  classFor,
} from './capacity.ts'
import { type Fleet, type Load, usageOf } from './load.ts'

const GB = 1e9
const SECONDS_PER_DAY = 86_400
/** Of a consumer, in GB; and what it logs of a batch. */
const CONSUMER_GB = 1
const LOG_BYTES_PER_BATCH = 700
const STATUS_SEC = 0.02
const STATUS_GB = 0.5
const FAN_OUT_SEC = 0.02
const FAN_OUT_GB = 0.5
/** A gateway asks every four minutes what is wanted of it. */
const ASKED_PER_MONTH = MINUTES_PER_MONTH / 4
const REQUEST_SEC = 0.03
const API_GB = 1
/** Functions on a schedule: sweeps, rollup, redrive each minute, others seldom. */
const SCHEDULED_PER_MONTH = 4 * MINUTES_PER_MONTH
const SCHEDULED_GB_SEC = 0.4
/** Lambda asks each queue for messages by five readers, which wait 20 s. */
const QUEUES = 10
const EMPTY_RECEIVES = (QUEUES * 5 * SECONDS_PER_MONTH) / 20

/** The stage's own database, or what the load needs when that is more. */
export function databaseFor({ messages }: Load, settings: Settings, profile: Profile): DatabaseClass | undefined {
  const own = settings.database.instanceType
  if (isDatabaseClass(own) && storedPerSecond(own, profile) >= messages) return own
  return classFor(messages, profile)
}

export function costsOf(fleet: Fleet, load: Load, settings: Settings, profile: Profile): Record<string, number> {
  const { lambda, httpApi, webSocket, database, cache, nat, logs, waf, sqs, s3 } = PRICES
  const usage = usageOf(fleet, load)
  const { batchSize, windowSec = 0 }: Batching = INGEST_PROFILES[profile]
  const batch = batchOf(load.messages, batchSize, windowSec, settings.maxConcurrency.telemetry)
  const batches = usage.telemetryMessages / batch
  const { connections, messages, rules, queues, archive } = costsOfUsage(usage, batch)
  const run = (times: number, seconds: number, gb: number) =>
    times * (lambda.perInvocation + seconds * gb * lambda.perGbSecond)
  const asked = fleet.gateways * ASKED_PER_MONTH
  const zones = settings.production ? 2 : 1
  const instance = databaseFor(load, settings, profile)
  const hotGb = (load.samples * SECONDS_PER_DAY * settings.hotRetentionDays * BYTES_PER_SAMPLE.postgres) / GB
  const framesPerMonth = load.frames * SECONDS_PER_MONTH
  const cacheHour = (cache.perHour as Record<string, number>)[settings.cacheNodeType] ?? Number.NaN
  return {
    'IoT Core: connections': connections,
    'IoT Core: messages': messages,
    'IoT Core: rules and actions': rules,
    SQS: queues + EMPTY_RECEIVES * sqs.perRequest,
    'Lambda: telemetry': run(batches, invocationSec(batch), CONSUMER_GB),
    'Lambda: heartbeats': run(usage.heartbeats / HEARTBEATS_TOGETHER, STATUS_SEC, STATUS_GB),
    'Lambda: fan-out': run(framesPerMonth, FAN_OUT_SEC, FAN_OUT_GB),
    'Lambda: on a schedule': run(SCHEDULED_PER_MONTH, SCHEDULED_GB_SEC, 1),
    'HTTP API: what gateways ask': asked * httpApi.perRequest + run(asked, REQUEST_SEC, API_GB),
    WebSocket:
      framesPerMonth * webSocket.perMessage + fleet.watchers * MINUTES_PER_MONTH * webSocket.perConnectedMinute,
    [`Database (${instance ?? 'larger than any'})`]:
      instance === undefined ? Number.NaN : database.perHour[instance] * HOURS_PER_MONTH * zones,
    'Database: disk': Math.max(settings.database.storageGb, hotGb) * database.perGbMonth * zones,
    Redis: cacheHour * HOURS_PER_MONTH * zones,
    'NAT gateways': settings.natGateways * nat.perHour * HOURS_PER_MONTH + (framesPerMonth * 2000 * nat.perGb) / GB,
    Logs: ((batches * LOG_BYTES_PER_BATCH) / GB) * logs.perGb,
    'Archive: a year of readings': archive * 12 + (MINUTES_PER_MONTH / 15) * s3.perPut,
    ...(settings.production && { 'Web firewall': waf.perMonth }),
  }
}
