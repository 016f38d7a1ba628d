/** Contracts of the routes about alarms, their rules, and whom they are told to. */
import * as v from 'valibot'
import { Alarm, AlarmCondition, AlarmState, DelayMs, isOfTag, Severity } from './alarms.ts'
import { Name, page, PageQuery, TimeQuery, TimeZone, Uuid } from './api.ts'
import { EpochMs, Slug, TagName } from './slugs.ts'
import { isStorable, Scalar } from './telemetry.ts'

export const AlarmPage = page(Alarm)
export type AlarmPage = v.InferOutput<typeof AlarmPage>

/** `open`: all that are not history, but for those that are kept from view. */
export const AlarmFilter = v.picklist(['open', ...AlarmState.options, 'shelved', 'out_of_service', 'closed'])
export type AlarmFilter = v.InferOutput<typeof AlarmFilter>

/** Newest first; the time is `raisedAt`. */
export const AlarmQuery = v.strictObject({
  ...PageQuery.entries,
  ...TimeQuery.entries,
  state: v.optional(AlarmFilter, 'open'),
  severity: v.optional(Severity),
  plantId: v.optional(Uuid),
  machineId: v.optional(Uuid),
  ruleId: v.optional(Uuid),
})
export type AlarmQuery = v.InferOutput<typeof AlarmQuery>

/** Of the open ones that are not kept from view. */
export const AlarmCounts = v.object({
  items: v.array(v.object({ plantId: Uuid, severity: Severity, state: AlarmState, count: v.number() })),
})
export type AlarmCounts = v.InferOutput<typeof AlarmCounts>

export const AlarmEvent = v.object({
  id: Uuid,
  at: EpochMs,
  event: v.picklist([
    ...(['raised', 'cleared', 'acknowledged', 'shelved', 'unshelved', 'shelf_ended'] as const),
    ...(['out_of_service', 'returned_to_service', 'rule_changed', 'rule_deleted', 'late'] as const),
  ]),
  value: Scalar,
  /** Who did it; null: nobody, or an account that is gone. */
  by: v.nullable(v.string()),
  /** Reason or comment. */
  text: v.nullable(v.string()),
})
export type AlarmEvent = v.InferOutput<typeof AlarmEvent>
export const AlarmEventPage = page(AlarmEvent)

const Text = v.pipe(v.string(), v.trim(), v.minLength(1, 'must say something'), v.maxLength(500))

export const AcknowledgeAlarm = v.strictObject({ comment: v.optional(v.nullable(Text), null) })
export type AcknowledgeAlarm = v.InferOutput<typeof AcknowledgeAlarm>

/** The end is at most 30 days ahead. */
export const MAX_SHELF_DAYS = 30
export const ShelveAlarm = v.strictObject({ until: EpochMs, reason: Text })
export type ShelveAlarm = v.InferOutput<typeof ShelveAlarm>
export const TakeOutOfService = v.strictObject({ reason: Text })

/** `*` stands for any characters, none included; without one it is the name itself. */
const pattern = (allowed: RegExp, of: string) =>
  v.pipe(v.string(), v.minLength(1), v.maxLength(64), v.regex(allowed, `must be ${of}, with * for any characters`))
export const MachinePattern = pattern(/^[a-z0-9*-]+$/, 'a machine’s slug')
export const TagPattern = pattern(/^[A-Za-z0-9_.*-]+$/, 'a tag’s name')

/** `{machine}`, `{machineName}`, `{plant}`, `{gateway}`, `{tag}`, `{value}`, `{unit}`, `{limit}`, `{rule}` are replaced. */
const Message = v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(300), v.check(isStorable))

/** Rules that a company may have. */
export const MAX_RULES_PER_TENANT = 2_000

const target = {
  /** Null: every plant of the company, also those that are still to come; only for who may see all of them. */
  plantId: v.optional(v.nullable(Uuid), null),
  machine: v.optional(MachinePattern, '*'),
  /** Of the kinds that look at a tag. */
  tag: v.optional(v.nullable(TagPattern), null),
  condition: AlarmCondition,
  /** How long it must hold before it is an alarm, and how long it must be over before the alarm ends. */
  delayOnMs: v.optional(DelayMs, 0),
  delayOffMs: v.optional(DelayMs, 0),
}
const fields = {
  name: Name,
  ...target,
  severity: Severity,
  /** Null: a text made of rule, source and values. */
  message: v.optional(v.nullable(Message), null),
  enabled: v.optional(v.boolean(), true),
}
export type RuleTarget = { condition: AlarmCondition; tag: string | null; machine: string }

/** What in a rule does not go together, by field. */
export function misfitsOf({ condition, tag, machine }: RuleTarget): { field: 'tag' | 'machine'; message: string }[] {
  const misfits: { field: 'tag' | 'machine'; message: string }[] = []
  const { kind } = condition
  if (isOfTag(condition) && tag === null)
    misfits.push({ field: 'tag', message: `is needed for ${kind}; * is every tag` })
  if (!isOfTag(condition) && tag !== null)
    misfits.push({ field: 'tag', message: `must be left out: ${kind} looks at no tag` })
  if (kind === 'gateway_offline' && machine !== '*')
    misfits.push({ field: 'machine', message: 'must be left out: gateways belong to plants' })
  return misfits
}

const goesTogether = <Rule extends RuleTarget>() =>
  v.rawCheck<Rule>(({ dataset, addIssue }) => {
    if (!dataset.typed) return
    const input = dataset.value
    for (const { field: key, message } of misfitsOf(input))
      addIssue({ message, path: [{ type: 'object', origin: 'value', input, key, value: input[key] }] })
  })

export const CreateAlarmRule = v.pipe(v.strictObject(fields), goesTogether())
export type CreateAlarmRule = v.InferOutput<typeof CreateAlarmRule>

const Matches = v.object({ machines: v.number(), gateways: v.number() })

export const AlarmRule = v.object({
  ruleId: Uuid,
  name: v.string(),
  plantId: v.nullable(Uuid),
  machine: v.string(),
  tag: v.nullable(v.string()),
  condition: AlarmCondition,
  delayOnMs: v.number(),
  delayOffMs: v.number(),
  severity: Severity,
  message: v.nullable(v.string()),
  enabled: v.boolean(),
  /** What its patterns match now, of the caller's plants: none is allowed, machines may come. Machines count whether they have the tag or not. */
  matches: Matches,
  openAlarms: v.number(),
  createdAt: EpochMs,
  updatedAt: EpochMs,
})
export type AlarmRule = v.InferOutput<typeof AlarmRule>
export const AlarmRulePage = page(AlarmRule)
export type AlarmRulePage = v.InferOutput<typeof AlarmRulePage>

/** At least one field; the rule as a whole must make sense afterwards. Another plant, machine, tag, condition, or not enabled: its open alarms end. */
export const ChangeAlarmRule = v.pipe(
  v.partial(
    v.strictObject({
      name: Name,
      plantId: v.nullable(Uuid),
      machine: MachinePattern,
      tag: v.nullable(TagPattern),
      condition: AlarmCondition,
      delayOnMs: DelayMs,
      delayOffMs: DelayMs,
      severity: Severity,
      message: v.nullable(Message),
      enabled: v.boolean(),
    }),
  ),
  v.check((change) => Object.keys(change).length > 0, 'must change something'),
)
export type ChangeAlarmRule = v.InferOutput<typeof ChangeAlarmRule>

export const TRIAL_HOURS = 24
/** A rule that is not saved, over the last 24 hours. */
export const TryAlarmRule = v.pipe(v.strictObject(target), goesTogether())
export type TryAlarmRule = v.InferOutput<typeof TryAlarmRule>

export const AlarmTrial = v.object({
  from: EpochMs,
  to: EpochMs,
  /** What the patterns match. */
  matches: Matches,
  /** Times that it would have been raised, in what was looked at. */
  raised: v.number(),
  /** The newest of them, at most 100. */
  items: v.array(
    v.object({
      machine: v.nullable(Slug),
      thingName: v.nullable(v.string()),
      tag: v.nullable(TagName),
      raisedAt: EpochMs,
      /** Null: it would still be there. */
      clearedAt: v.nullable(EpochMs),
      value: Scalar,
    }),
  ),
  /** Readings looked at, and whether that was all: else the machines that come first by slug, as many as could be. */
  readings: v.number(),
  machinesTried: v.number(),
  complete: v.boolean(),
})
export type AlarmTrial = v.InferOutput<typeof AlarmTrial>

/** `HH:MM`, 00:00 to 23:59. */
const ClockTime = v.pipe(v.string(), v.regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day, HH:MM'))

/** From `from` to `to` in `timeZone`; over midnight when `to` is not after `from`. */
export const QuietHours = v.strictObject({
  from: ClockTime,
  to: ClockTime,
  timeZone: TimeZone,
  /** These are told all the same. */
  exceptFrom: v.optional(v.nullable(Severity), 'critical'),
})
export type QuietHours = v.InferOutput<typeof QuietHours>

/** What a person wants to be told by mail. Alarms of the plants that they may see only; the page shows all of these in any case. */
export const NotificationChoice = v.strictObject({
  /** From this severity on; null: no mail. */
  emailFrom: v.nullable(Severity),
  /** Also when an alarm ends. */
  emailWhenCleared: v.boolean(),
  /** Null: at any hour. What comes in quiet hours is told by none later. */
  quietHours: v.nullable(QuietHours),
})
export type NotificationChoice = v.InferOutput<typeof NotificationChoice>
export const ChangeNotificationChoice = v.pipe(
  v.partial(NotificationChoice),
  v.check((change) => Object.keys(change).length > 0, 'must change something'),
)

/** Checked further where it is saved and where it is called: its addresses must be public ones. */
export const WebhookUrl = v.pipe(
  v.string(),
  v.maxLength(2_000),
  v.url('must be a URL'),
  v.check((url) => url.startsWith('https://'), 'must begin with https://'),
)

export const MAX_WEBHOOKS_PER_TENANT = 20
export const CreateAlarmWebhook = v.strictObject({
  name: Name,
  url: WebhookUrl,
  /** Null: alarms of every plant; only for who may see all of them. */
  plantId: v.optional(v.nullable(Uuid), null),
  severityFrom: v.optional(Severity, 'low'),
  enabled: v.optional(v.boolean(), true),
})
export type CreateAlarmWebhook = v.InferOutput<typeof CreateAlarmWebhook>

export const AlarmWebhook = v.object({
  webhookId: Uuid,
  name: v.string(),
  url: v.string(),
  plantId: v.nullable(Uuid),
  severityFrom: Severity,
  enabled: v.boolean(),
  createdAt: EpochMs,
  updatedAt: EpochMs,
  /** The last attempt: when, and what went wrong; null when it was taken. */
  lastAttemptAt: v.nullable(EpochMs),
  lastError: v.nullable(v.string()),
})
export type AlarmWebhook = v.InferOutput<typeof AlarmWebhook>
export const AlarmWebhookPage = page(AlarmWebhook)

/** `secret` signs the requests (HMAC-SHA256, after standardwebhooks.com) and is shown this once. */
export const CreatedAlarmWebhook = v.object({ webhook: AlarmWebhook, secret: v.string() })
export type CreatedAlarmWebhook = v.InferOutput<typeof CreatedAlarmWebhook>

/** At least one field. */
export const ChangeAlarmWebhook = v.pipe(
  v.partial(
    v.strictObject({
      name: Name,
      url: WebhookUrl,
      plantId: v.nullable(Uuid),
      severityFrom: Severity,
      enabled: v.boolean(),
    }),
  ),
  v.check((change) => Object.keys(change).length > 0, 'must change something'),
)
export type ChangeAlarmWebhook = v.InferOutput<typeof ChangeAlarmWebhook>

/** Body of a request to a webhook. */
export const WebhookBody = v.object({
  type: v.picklist(['alarm.raised', 'alarm.cleared', 'alarm.flood', 'test']),
  timestamp: EpochMs,
  tenant: Slug,
  plant: v.nullable(Slug),
  /** With a message always: where the rule has none, one in English. */
  alarm: v.nullable(v.object({ ...Alarm.entries, message: v.string() })),
  /** Of a flood: alarms that were not told one by one, by severity. */
  withheld: v.optional(v.record(Severity, v.number())),
})
export type WebhookBody = v.InferOutput<typeof WebhookBody>
