import * as v from 'valibot'
import { EpochMs, isWholeNumber, Slug, ThingName } from './slugs.ts'
import { Scalar, Quality } from './telemetry.ts'
import { withShortcut } from './with-shortcut.ts'

/**
 * What the IoT rules put on SQS. `payload` is base64 of the publish's bytes (checked where it is decoded), so that bytes
 * which are not JSON still arrive and are judged by our code. `receivedAt` is the broker's clock: presence orders by it, never by the payload's.
 */
export const QueueEnvelope = withShortcut(
  v.object({
    payload: v.pipe(v.string(), v.description('base64 of the bytes that were published')),
    topic: v.string(),
    clientId: v.string(),
    receivedAt: EpochMs,
    traceId: v.optional(v.string(), ''),
  }),
  ({ payload, topic, clientId, receivedAt, traceId }) =>
    typeof payload === 'string' &&
    typeof topic === 'string' &&
    typeof clientId === 'string' &&
    isWholeNumber(receivedAt) &&
    typeof traceId === 'string'
      ? { payload, topic, clientId, receivedAt, traceId }
      : undefined,
)
export type QueueEnvelope = v.InferOutput<typeof QueueEnvelope>

/**
 * What the rules engine puts on the rule-errors queue when a rule's action fails (AWS IoT Core, "Rule error handling",
 * error action message format). It bears no time of its own.
 */
export const RuleErrorMessage = v.object({
  topic: v.string(),
  clientId: v.optional(v.string(), ''),
  cloudwatchTraceId: v.optional(v.string(), ''),
  /** The publish's bytes, as the gateway sent them. */
  base64OriginalPayload: v.pipe(v.string(), v.base64()),
  failures: v.array(v.object({ failedResource: v.string(), errorMessage: v.string() })),
})
export type RuleErrorMessage = v.InferOutput<typeof RuleErrorMessage>

/**
 * Tells the fan-out that something of a plant has changed. What it is stands in Redis, and the fan-out reads it with its
 * newest state when it builds the frame: a delayed item never shows an old value.
 */
export const FanOutWorkItem = v.object({ tenant: Slug, plant: Slug })
export type FanOutWorkItem = v.InferOutput<typeof FanOutWorkItem>

/** Rows of the outbox of alarms, to be made into deliveries, or one such delivery. All else stands in Postgres. */
export const AlarmWorkItem = v.union([
  v.object({ outboxIds: v.pipe(v.array(v.pipe(v.string(), v.uuid())), v.minLength(1), v.maxLength(100)) }),
  v.object({
    outboxId: v.pipe(v.string(), v.uuid()),
    target: v.pipe(v.string(), v.regex(/^(user|webhook):[0-9a-f-]{36}$/)),
  }),
])
export type AlarmWorkItem = v.InferOutput<typeof AlarmWorkItem>

/** What is published on the Redis channel `events:{tenant}:{plant}` after a reading has been committed. */
export const TelemetryEvent = v.object({
  type: v.literal('telemetry'),
  tenant: Slug,
  province: Slug,
  plant: Slug,
  machine: Slug,
  timestamp: EpochMs,
  seq: v.number(),
  receivedAt: EpochMs,
  traceId: v.string(),
  values: v.record(v.string(), Scalar),
  quality: v.optional(v.record(v.string(), Quality)),
})
export type TelemetryEvent = v.InferOutput<typeof TelemetryEvent>

/** The same for a change of a gateway's status. `stale` and `unknown` are told by the sweep, at the time of its own clock. */
export const StatusEvent = v.object({
  type: v.literal('status'),
  tenant: Slug,
  province: Slug,
  plant: Slug,
  thingName: ThingName,
  state: v.picklist(['online', 'offline', 'stale', 'unknown']),
  reason: v.optional(v.string()),
  timestamp: EpochMs,
  receivedAt: EpochMs,
  traceId: v.string(),
})
export type StatusEvent = v.InferOutput<typeof StatusEvent>
