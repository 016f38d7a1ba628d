/**
 * Alarms after ISA-18.2 (IEC 62682): what is watched for, and what has become of it. An alarm belongs to a rule and a source, which is
 * a tag of a machine, a machine, a gateway or a plant; of each pair at most one is open.
 */
import * as v from 'valibot'
import { EpochMs, Slug, TagName, ThingName } from './slugs.ts'
import { Scalar } from './telemetry.ts'

const Uuid = v.pipe(v.string(), v.uuid())

/** How soon somebody has to act: the priority of ISA-18.2. */
export const Severity = v.picklist(['low', 'medium', 'high', 'critical'])
export type Severity = v.InferOutput<typeof Severity>

const Limit = v.pipe(v.number('must be a number'), v.finite('must be a finite number'))
/** Dead-band: how far back from the limit the value must come before the condition ends. In the tag's unit. */
const hysteresis = v.optional(v.pipe(Limit, v.minValue(0, 'must not be negative')), 0)

const DAY_MS = 86_400_000
/** Milliseconds, at most a day. */
export const DelayMs = v.pipe(v.number('must be a number'), v.integer(), v.minValue(0), v.maxValue(DAY_MS))

const band = { low: Limit, high: Limit, hysteresis }

/**
 * What is wrong while it holds. A boolean counts as 1 or 0 for the limits. A value that could not be read, or of bad quality, says
 * nothing to any kind but `quality_bad`: what held before goes on.
 */
export const AlarmCondition = v.variant(
  'kind',
  [
    v.strictObject({ kind: v.literal('above'), limit: Limit, hysteresis }),
    v.strictObject({ kind: v.literal('below'), limit: Limit, hysteresis }),
    v.pipe(
      v.strictObject({ kind: v.literal('outside'), ...band }),
      v.check(({ low, high }) => low < high, 'low must be below high'),
      v.check(({ low, high, hysteresis: back }) => 2 * back < high - low, 'hysteresis must leave room inside the band'),
    ),
    /** Change from one reading of the tag to the next, in its unit per minute. */
    v.strictObject({
      kind: v.literal('rate_of_change'),
      limitPerMinute: v.pipe(Limit, v.gtValue(0, 'must be above 0')),
      direction: v.optional(v.picklist(['rise', 'fall', 'either']), 'either'),
    }),
    v.strictObject({
      kind: v.literal('equals'),
      value: v.union([Limit, v.boolean(), v.pipe(v.string(), v.maxLength(256))]),
    }),
    /** The value could not be read, or is of bad quality. */
    v.strictObject({ kind: v.literal('quality_bad') }),
    /** Nothing of the machine for so long: it has no tag, as one with a dead-band is silent while it does not change. */
    v.strictObject({ kind: v.literal('no_data'), forMs: v.pipe(DelayMs, v.minValue(30_000, 'must be 30 s or more')) }),
    /** Its connection has ended, or its heartbeats are missing. */
    v.strictObject({ kind: v.literal('gateway_offline') }),
  ],
  'must be above, below, outside, rate_of_change, equals, quality_bad, no_data or gateway_offline',
)
export type AlarmCondition = v.InferOutput<typeof AlarmCondition>
export type AlarmKind = AlarmCondition['kind']

/** Kinds that look at a tag's values; the others look at a machine (`no_data`) or a gateway. */
export const TAG_KINDS = [
  'above',
  'below',
  'outside',
  'rate_of_change',
  'equals',
  'quality_bad',
] as const satisfies AlarmKind[]
export const isOfTag = ({ kind }: { kind: AlarmKind }) => (TAG_KINDS as readonly string[]).includes(kind)

/**
 * `unacknowledged`: it is there and nobody has seen it. `acknowledged`: it is there. `returned`: it has ended and nobody has seen
 * it. `normal`: it has ended and was acknowledged.
 */
export const AlarmState = v.picklist(['unacknowledged', 'acknowledged', 'returned', 'normal'])
export type AlarmState = v.InferOutput<typeof AlarmState>

/** Kept from view and from delivery: until a moment (`shelved`), or until somebody takes it back (`out_of_service`). */
export const Suppression = v.object({
  kind: v.picklist(['shelved', 'out_of_service']),
  since: EpochMs,
  /** Null: out of service. */
  until: v.nullable(EpochMs),
  reason: v.string(),
  /** E-mail address; null when the account is gone. */
  by: v.nullable(v.string()),
})
export type Suppression = v.InferOutput<typeof Suppression>

/** An alarm as the snapshot, the deltas and the HTTP API give it. */
export const Alarm = v.object({
  alarmId: Uuid,
  ruleId: Uuid,
  ruleName: v.string(),
  plantId: Uuid,
  /** Null where the source is a gateway or a plant. */
  machineId: v.nullable(Uuid),
  machine: v.nullable(Slug),
  machineName: v.nullable(v.string()),
  thingName: v.nullable(ThingName),
  tag: v.nullable(TagName),
  /** As the rule had it when the alarm was last raised. */
  condition: AlarmCondition,
  severity: Severity,
  /**
   * The rule's own text with the values of when it was last raised. Null: the rule has none; the page words it by source, `value` and
   * `condition` in the reader's language.
   */
  message: v.nullable(v.string()),
  state: AlarmState,
  /** Of the reading that last raised it; null for machines, gateways and plants. */
  value: Scalar,
  unit: v.nullable(v.string()),
  /** When its condition began to hold, or its delay was over: by the readings' own clock. Of the last time, if there were several. */
  raisedAt: EpochMs,
  /** When it last ended; null while it is there. */
  clearedAt: v.nullable(EpochMs),
  /** Times that it was raised since it is open. */
  occurrences: v.number(),
  acknowledgedAt: v.nullable(EpochMs),
  acknowledgedBy: v.nullable(v.string()),
  comment: v.nullable(v.string()),
  suppression: v.nullable(Suppression),
  /** Since when it is only history; null while it is open. An open one may be raised again, as the same. */
  closedAt: v.nullable(EpochMs),
  /** It was found in data that came late: it has raised nobody, and is closed from the start. */
  late: v.boolean(),
})
export type Alarm = v.InferOutput<typeof Alarm>
