/** Which limit a load meets first, and what to do then. */
import { type Batching, INGEST_PROFILES, type Settings } from '../settings.ts'
import { batchOf, classFor, invocationSec, isDatabaseClass, type Profile, storedPerSecond } from './capacity.ts'
import type { Fleet, Load } from './load.ts'

export interface Limit {
  what: string
  load: number
  limit: number
  unit: string
  change: string
}

/** Quotas of an account that has not asked for more; all of them are raised on request (docs/scaling.md). */
const QUOTA = {
  iotConnections: 500_000,
  /** Rules that are looked at for a message count each. */
  iotRuleEvaluations: 20_000,
  iotPublishes: 20_000,
  sqsInFlight: 120_000,
  lambdaConcurrency: 1000,
  apiGatewayRequests: 10_000,
  webSocketConnects: 500,
}
const RDS_MOST_GB = 65_536
/** Browsers and gateways are all back after an outage within this time, by their jitter. */
const RECONNECT_SEC = 60
/** An invocation of Status or of the fan-out. */
const SHORT_SEC = 0.02
const GB = 1e9
const SECONDS_PER_DAY = 86_400

export function limitsOf(
  fleet: Fleet,
  load: Load,
  settings: Settings,
  profile: Profile,
  bytesPerSample: number,
): Limit[] {
  const { batchSize, windowSec = 0 }: Batching = INGEST_PROFILES[profile]
  const { telemetry } = settings.maxConcurrency
  const perConsumer = batchSize / invocationSec(batchSize)
  const database = settings.database.instanceType
  const hotGb = (load.samples * SECONDS_PER_DAY * settings.hotRetentionDays * bytesPerSample) / GB
  const batch = batchOf(load.messages, batchSize, windowSec, telemetry)
  const busy = (load.messages / batch) * invocationSec(batch) + (load.heartbeats / 10 + load.frames) * SHORT_SEC
  const needed = classFor(load.messages, profile)
  const limits: Limit[] = [
    {
      what: 'IoT Core: gateways connected',
      ...{ load: fleet.gateways, limit: QUOTA.iotConnections, unit: 'connections' },
      change: 'ask AWS for more connections per account',
    },
    {
      what: 'IoT Core: publishes',
      ...{ load: load.messages + load.heartbeats, limit: QUOTA.iotPublishes, unit: '/s' },
      change: 'ask AWS for more inbound publishes per second; longer intervals, dead-bands, more tags per message',
    },
    {
      what: 'IoT Core: rules evaluated',
      ...{ load: 2 * load.messages + load.heartbeats, limit: QUOTA.iotRuleEvaluations, unit: '/s' },
      change: 'ask AWS for more rule evaluations per second: two rules look at each reading',
    },
    {
      what: 'SQS: messages in flight',
      ...{ load: Math.min(telemetry * batchSize, load.messages * 2), limit: QUOTA.sqsInFlight, unit: 'messages' },
      change: 'a second telemetry queue by tenant; this is far away as long as consumers keep up',
    },
    {
      what: `Lambda: telemetry consumers (maxConcurrency.telemetry, profile ${profile})`,
      ...{ load: load.messages, limit: telemetry * perConsumer, unit: 'messages/s' },
      change: `maxConcurrency.telemetry to ${Math.ceil((load.messages / perConsumer) * 1.5)} in cdk/settings.ts${profile === 'live' ? ', or -c ingestProfile=bulk' : ''}; each holds a database connection`,
    },
    {
      what: 'Lambda: concurrency of the account',
      ...{
        load: busy,
        limit: QUOTA.lambdaConcurrency,
        unit: 'at once',
      },
      change: 'ask AWS for more concurrent executions (a new account has 10)',
    },
    {
      what: `Database: writes (${database}, profile ${profile})`,
      load: load.messages,
      limit: isDatabaseClass(database) ? storedPerSecond(database, profile) : 0,
      unit: 'messages/s',
      change:
        needed === undefined
          ? 'more than one database: a stage per group of tenants'
          : `database.instanceType to ${needed} in cdk/settings.ts${profile === 'live' ? ', or -c ingestProfile=bulk first' : ''}`,
    },
    {
      what: 'Database: disk for the hot days',
      ...{ load: hotGb, limit: settings.database.maxStorageGb, unit: 'GB' },
      change:
        hotGb > RDS_MOST_GB
          ? 'fewer hotRetentionDays (the archive has all of it), or a stage per group of tenants'
          : `database.maxStorageGb to ${Math.ceil((hotGb * 1.5) / 100) * 100}, or fewer hotRetentionDays, in cdk/settings.ts`,
    },
    {
      what: 'WebSocket: frames to browsers',
      ...{ load: load.frames, limit: QUOTA.apiGatewayRequests, unit: '/s' },
      change: 'ask AWS for a higher API Gateway throttle; fewer frames per second (lambdas/fan-out/frame-pace.ts)',
    },
    {
      what: 'WebSocket: browsers that come back at once',
      ...{ load: fleet.watchers / RECONNECT_SEC, limit: QUOTA.webSocketConnects, unit: 'connects/s' },
      change: 'ask AWS for more new connections per second',
    },
  ]
  return limits.toSorted((a, b) => b.load / b.limit - a.load / a.limit)
}

/** Gateways at which a limit is met, when all else stays as it is. */
export const gatewaysAt = ({ load, limit }: Limit, gateways: number): number => Math.floor((gateways * limit) / load)
