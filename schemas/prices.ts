/**
 * What AWS charges, in US dollars, us-east-1, list prices without free tiers and discounts: the one table from which
 * `npm run plan` and the costs of a tenant are counted. They change; the console's Pricing Calculator has those of today.
 */
const MILLION = 1e6
const GB = 1e9

export const PRICES = {
  iot: {
    perConnectedMinute: 0.08 / MILLION,
    /** Of each 5 KB that a gateway publishes. */
    perMessageUnit: 1 / MILLION,
    perRule: 0.15 / MILLION,
    perAction: 0.15 / MILLION,
  },
  sqs: { perRequest: 0.4 / MILLION },
  /** arm64. */
  lambda: { perGbSecond: 0.0000133334, perInvocation: 0.2 / MILLION },
  webSocket: { perMessage: 1 / MILLION, perConnectedMinute: 0.25 / MILLION },
  httpApi: { perRequest: 1 / MILLION },
  /** One availability zone; a standby costs as much again. */
  database: {
    perHour: {
      't4g.small': 0.032,
      't4g.medium': 0.065,
      'm7g.large': 0.168,
      'm7g.xlarge': 0.337,
      'm7g.2xlarge': 0.674,
      'm7g.4xlarge': 1.348,
      'm7g.8xlarge': 2.696,
      'm7g.12xlarge': 4.043,
      'm7g.16xlarge': 5.391,
    },
    perGbMonth: 0.115,
  },
  cache: { perHour: { 'cache.t4g.micro': 0.016, 'cache.t4g.medium': 0.065 } },
  nat: { perHour: 0.045, perGb: 0.045 },
  s3: { perGbMonth: 0.023, perPut: 5 / MILLION },
  logs: { perGb: 0.5 },
  waf: { perMonth: 10 },
} as const

export const HOURS_PER_MONTH = 730
export const MINUTES_PER_MONTH = HOURS_PER_MONTH * 60
export const SECONDS_PER_MONTH = MINUTES_PER_MONTH * 60
/** Between two heartbeats of a gateway. */
export const HEARTBEAT_SEC = 10

/** What is sent and kept in a month, of one tenant or of all. */
export interface Usage {
  connectedMinutes: number
  telemetryMessages: number
  /** Readings of a tag. */
  samples: number
  heartbeats: number
}

/** Payload in bytes: the frame of a message, and a tag with its value. */
const MESSAGE_BYTES = 60
const SAMPLE_BYTES = 22
const UNIT_BYTES = 5120

/** Both telemetry rules look at each message, and one of them sends it. */
const TELEMETRY_RULES = 2
/** SQS: each message is sent by itself, and received and deleted with as many others as come together, 10 at most. */
const requestsPerMessage = (together: number) => 1 + 2 / Math.min(10, together)
/** Heartbeats in a batch. */
export const HEARTBEATS_TOGETHER = 10

/** What Postgres keeps of a sample (heap, index, its part of a minute's rollup), and S3 of it for ever: as measured (INGEST, bench archive). */
export const BYTES_PER_SAMPLE = { postgres: 45, archive: 2.5 } as const

export const payloadUnits = (samplesPerMessage: number): number =>
  Math.max(1, Math.ceil((MESSAGE_BYTES + SAMPLE_BYTES * samplesPerMessage) / UNIT_BYTES))

/**
 * Costs that grow with what is sent, by what for, in dollars a month. Consumers and the database are not among them.
 * `together`: readings in a batch of ingest; 1 is what few of them cost most.
 */
export function costsOfUsage({ connectedMinutes, telemetryMessages, samples, heartbeats }: Usage, together = 1) {
  const { iot, sqs, s3 } = PRICES
  const units = telemetryMessages === 0 ? 0 : payloadUnits(samples / telemetryMessages) * telemetryMessages
  return {
    connections: connectedMinutes * iot.perConnectedMinute,
    messages: (units + heartbeats) * iot.perMessageUnit,
    rules:
      telemetryMessages * (TELEMETRY_RULES * iot.perRule + iot.perAction) + heartbeats * (iot.perRule + iot.perAction),
    queues:
      (telemetryMessages * requestsPerMessage(together) + heartbeats * requestsPerMessage(HEARTBEATS_TOGETHER)) *
      sqs.perRequest,
    /** Of a month's readings, each month that they are kept: this month's share of it. */
    archive: ((samples * BYTES_PER_SAMPLE.archive) / GB) * s3.perGbMonth,
  }
}

export const totalOf = (costs: Record<string, number>): number =>
  Object.values(costs).reduce((sum, one) => sum + one, 0)
