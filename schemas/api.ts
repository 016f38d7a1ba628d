import * as v from 'valibot'
import { Condition } from './conditions.ts'
import { ApiErrorCode, DeadLetterCode } from './error-codes.ts'
import { LiveGateway, LiveMachine, MachineState } from './live.ts'
import { Permission, Role } from './permissions.ts'
import { EpochMs, Slug, TagName, ThingName } from './slugs.ts'
import { OutboxSetAside } from './status.ts'
import { Quality, Scalar } from './telemetry.ts'

export const Uuid = v.pipe(v.string(), v.uuid())
/** An IANA name, for instance America/Argentina/Buenos_Aires. */
export const TimeZone = v.pipe(v.string(), v.check(isTimeZone, 'must be an IANA time zone, for instance Europe/Madrid'))
export const Name = v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(120))

/** Not by Intl.supportedValuesOf: it knows America/Argentina/Buenos_Aires only by its older name, and UTC not at all. */
function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone }).format()
    // Offsets such as +03:00 pass too, but follow no summer time.
    return /^[A-Z]/.test(zone)
  } catch {
    return false
  }
}

/** Plants that a user may see: all of the tenant's, or these. */
export const PlantAccess = v.union([v.literal('all'), v.array(Uuid)])
export type PlantAccess = v.InferOutput<typeof PlantAccess>

/** In lower case: one address is one account, however it is written. */
export const Email = v.pipe(
  v.string(),
  v.trim(),
  v.toLowerCase(),
  v.maxLength(254),
  v.email('must be an e-mail address'),
)

/** RFC 9457 problem details, plus a code for programs and the request's id for support. */
export const Problem = v.object({
  type: v.string(),
  title: v.string(),
  status: v.number(),
  detail: v.string(),
  code: ApiErrorCode,
  requestId: v.string(),
  errors: v.optional(v.array(v.object({ path: v.string(), message: v.string() }))),
})
export type Problem = v.InferOutput<typeof Problem>

/** `?limit=&cursor=` of every list. The cursor is opaque: what `nextCursor` gave. In one, a name of 120 characters may take 1,200. */
export const PageQuery = v.strictObject({
  limit: v.optional(
    v.pipe(v.string(), v.regex(/^\d{1,3}$/), v.transform(Number), v.minValue(1), v.maxValue(500)),
    '50',
  ),
  cursor: v.optional(v.pipe(v.string(), v.maxLength(2048))),
})
export type PageQuery = v.InferOutput<typeof PageQuery>

/** Epoch ms in a query. */
export const EpochMsText = v.pipe(v.string(), v.regex(/^\d{1,15}$/, 'must be epoch milliseconds'), v.transform(Number))

export const page = <T extends v.GenericSchema>(item: T) =>
  v.object({ items: v.array(item), nextCursor: v.nullable(v.string()) })

export const Me = v.object({
  userId: Uuid,
  email: v.string(),
  tenant: v.object({ tenantId: Uuid, slug: Slug, name: v.string() }),
  role: Role,
  plantAccess: PlantAccess,
  /** What the role may: the page offers nothing else. The API decides each time anew. */
  may: v.array(Permission),
  locale: v.nullable(v.picklist(['en', 'es'])),
})
export type Me = v.InferOutput<typeof Me>

type Conditions = Record<Condition, v.NumberSchema<undefined>>

export const Plant = v.object({
  plantId: Uuid,
  slug: Slug,
  province: Slug,
  name: v.string(),
  /** IANA name, for instance America/Argentina/Buenos_Aires. */
  timeZone: v.string(),
  /** Of machines that are not retired; `conditions` says how many are in each. */
  counts: v.object({
    machines: v.number(),
    conditions: v.object(Object.fromEntries(Condition.options.map((each) => [each, v.number()])) as Conditions),
    gateways: v.number(),
    gatewaysOnline: v.number(),
    gatewaysUnknown: v.number(),
  }),
})
export type Plant = v.InferOutput<typeof Plant>
export const PlantPage = page(Plant)
export type PlantPage = v.InferOutput<typeof PlantPage>

const neverChanges = (what: string) => v.optional(v.never(`never changes: ${what}`))

/** At least one field. */
export const ChangePlant = v.pipe(
  v.strictObject({
    name: v.optional(Name),
    timeZone: v.optional(TimeZone),
    slug: neverChanges('gateways publish under it. Change the name instead'),
    province: neverChanges('gateways publish under it'),
  }),
  v.check((change) => Object.keys(change).length > 0, 'must change something'),
)
export type ChangePlant = v.InferOutput<typeof ChangePlant>

export const CreatePlant = v.strictObject({ slug: Slug, province: Slug, name: Name, timeZone: TimeZone })
export type CreatePlant = v.InferOutput<typeof CreatePlant>

export const Machine = v.object({ ...LiveMachine.entries, plantId: Uuid })
export type Machine = v.InferOutput<typeof Machine>
/** At least one field. A name of null shows the slug. */
export const ChangeMachine = v.pipe(
  v.strictObject({
    name: v.optional(v.nullable(Name)),
    status: v.optional(v.picklist(['active', 'retired'])),
    slug: neverChanges('gateways publish under it. Change the name instead'),
  }),
  v.check((change) => Object.keys(change).length > 0, 'must change something'),
)
export type ChangeMachine = v.InferOutput<typeof ChangeMachine>

/** Active from the start. A machine that nobody makes appears with its first reading, as pending. */
export const CreateMachine = v.strictObject({ slug: Slug, name: v.optional(v.nullable(Name)) })
export type CreateMachine = v.InferOutput<typeof CreateMachine>

/** All of them or none. */
export const ChangeMachines = v.strictObject({
  machineIds: v.pipe(v.array(Uuid), v.minLength(1), v.maxLength(500)),
  status: v.picklist(['active', 'retired']),
})
export type ChangeMachines = v.InferOutput<typeof ChangeMachines>
export const ChangedMachines = v.object({ changed: v.number() })
export type ChangedMachines = v.InferOutput<typeof ChangedMachines>

export const MachinePage = page(Machine)
export type MachinePage = v.InferOutput<typeof MachinePage>

/** Number, boolean or string; null when a tag has had no value yet. */
const TagKind = v.nullable(v.picklist(['number', 'boolean', 'string']))

/** In names and slugs, in any case. */
export const SearchQuery = v.strictObject({ text: v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(64)) })
export const MAX_FOUND = 20
export const Found = v.object({
  kind: v.picklist(['plant', 'machine', 'gateway']),
  /** Of plants and machines the slug, of gateways the thing's name. */
  slug: v.string(),
  /** Null where the slug is all there is. */
  name: v.nullable(v.string()),
  plant: v.object({ slug: Slug, name: v.string() }),
})
export type Found = v.InferOutput<typeof Found>
/** At most MAX_FOUND, those that begin with the text first. */
export const SearchAnswer = v.object({ items: v.array(Found) })

export const MachineTag = v.object({
  tag: TagName,
  kind: TagKind,
  unit: v.nullable(v.string()),
  /** The newest one; null when it could not be read. */
  value: Scalar,
  quality: v.picklist(['good', ...Quality.options]),
  timestamp: EpochMs,
})
export type MachineTag = v.InferOutput<typeof MachineTag>
export const MachineTagPage = page(MachineTag)

/** A reading as it was stored. */
export const MachineEvent = MachineState
export type MachineEvent = v.InferOutput<typeof MachineEvent>
export const MachineEventPage = page(MachineEvent)

export const EventsQuery = v.strictObject({
  ...PageQuery.entries,
  from: v.optional(EpochMsText),
  to: v.optional(EpochMsText),
})

export const MAX_BUCKETS = 2000

export const HistoryQuery = v.strictObject({
  tag: TagName,
  from: EpochMsText,
  to: EpochMsText,
  buckets: v.optional(
    v.pipe(v.string(), v.regex(/^\d{1,4}$/), v.transform(Number), v.minValue(2), v.maxValue(MAX_BUCKETS)),
    '1000',
  ),
})

/** `[t, min, avg, max, count]`. Booleans: false 0, true 1, avg is the share of the time that it was true. */
export const HistoryPoint = v.tuple([EpochMs, v.number(), v.number(), v.number(), v.number()])
export type HistoryPoint = v.InferOutput<typeof HistoryPoint>

/**
 * When the tag was read and gave no value, or one of bad quality: `[from, to]` in order, up to the next value, or for 5 minutes when nothing
 * followed. As exact as the points.
 */
const bad = v.array(v.tuple([EpochMs, EpochMs]))

const historyRange = { tag: TagName, from: EpochMs, to: EpochMs, bucketMs: v.number() }

/**
 * At most as many points as buckets were asked for, in order of time; where nothing is known there is none.
 * Numbers and booleans: each point is the bucket that begins at `t`, a multiple of `bucketMs` (UTC), and `from` and `to` are
 * widened to whole buckets. `bucketMs` 0: each point is one reading.
 * Strings: `[t, value]`, changes; null from when on it is not known, because it could not be read or nothing was heard for
 * 5 minutes. `bucketMs` above 0: there were more; the last change of each bucket.
 */
export const History = v.variant('kind', [
  v.object({ kind: v.picklist(['number', 'boolean']), ...historyRange, bad, points: v.array(HistoryPoint) }),
  v.object({
    kind: v.literal('string'),
    ...historyRange,
    points: v.array(v.tuple([EpochMs, v.nullable(v.string())])),
  }),
  v.object({ kind: v.null(), ...historyRange, bad, points: v.array(v.never()) }),
])
export type History = v.InferOutput<typeof History>

/** A trend beside a value: the 10 minutes before a machine's newest reading, in steps. */
export const TREND = { stepMs: 10_000, steps: 60 } as const
/** Tags in one question for trends, of all its machines. */
export const MAX_TRENDS = 600

/** Whose trends are asked for: of a plant as many as a screen shows. */
export const TrendsOf = v.strictObject({
  machines: v.pipe(
    v.array(
      v.strictObject({ machineId: Uuid, tags: v.pipe(v.array(TagName), v.minLength(1), v.maxLength(MAX_TRENDS)) }),
    ),
    v.minLength(1),
    v.maxLength(MAX_TRENDS),
    v.check(
      (machines) => machines.reduce((sum, { tags }) => sum + tags.length, 0) <= MAX_TRENDS,
      `must name at most ${MAX_TRENDS} tags in all`,
    ),
  ),
})
export type TrendsOf = v.InferOutput<typeof TrendsOf>

/**
 * Of each tag a value for each step from `from` on (a multiple of `stepMs`): the first number that was read in it, or null. A machine
 * that was never read is not among them.
 */
export const Trends = v.object({
  stepMs: v.number(),
  items: v.array(
    v.object({ machineId: Uuid, from: v.number(), values: v.record(v.string(), v.array(v.nullable(v.number()))) }),
  ),
})
export type Trends = v.InferOutput<typeof Trends>

/**
 * created: waits for its enrolment. enrolled: has a certificate. active: has been heard. rotating: is asked for a new key, or has
 * got a certificate for it while the old one still holds. revoked: its certificates have ended; it may be enrolled again.
 */
export const Lifecycle = v.picklist(['created', 'enrolled', 'active', 'rotating', 'revoked'])
export type Lifecycle = v.InferOutput<typeof Lifecycle>

export const Gateway = v.object({
  ...LiveGateway.entries,
  plantId: Uuid,
  lifecycle: Lifecycle,
  createdAt: EpochMs,
  /** When its certificate ends, of two the one that ends first; null without one. While it is connected it renews it in time. */
  certificateExpiresAt: v.nullable(EpochMs),
  /** Since when `connection` holds; null while it is `never`. */
  connectionSince: v.nullable(EpochMs),
  /** Sessions that were open at some time in the last 24 hours: 1 for a gateway that never lost its connection. */
  sessionsLastDay: v.number(),
  /** Times that the gateway's program began anew in the last 24 hours. */
  restartsLastDay: v.number(),
  /** As its newest heartbeat says. */
  outboxSetAside: v.nullable(OutboxSetAside),
})
export type Gateway = v.InferOutput<typeof Gateway>
export const GatewayPage = page(Gateway)
export type GatewayPage = v.InferOutput<typeof GatewayPage>

/** A time in which a gateway's connection did not change. */
export const GatewayConnection = v.object({
  connection: v.picklist(['online', 'offline', 'stale', 'unknown']),
  /** As in Gateway. */
  reason: v.nullable(v.string()),
  from: EpochMs,
  /** Null while it lasts; `durationMs` is then until now. */
  to: v.nullable(EpochMs),
  durationMs: v.number(),
  sessionId: v.nullable(v.string()),
  /** The gateway's program had begun anew when it came. */
  restarted: v.boolean(),
})
export type GatewayConnection = v.InferOutput<typeof GatewayConnection>
export const GatewayConnectionPage = page(GatewayConnection)

export const CreateGateway = v.strictObject({ plantId: Uuid, thingName: v.optional(ThingName) })
export type CreateGateway = v.InferOutput<typeof CreateGateway>

export const CreatedGateway = v.object({
  gateway: Gateway,
  /** `token` is shown this once; only its hash is kept. `command` is what to run on the gateway. */
  enrolment: v.object({ token: v.string(), expiresAt: EpochMs, command: v.string() }),
})
export type CreatedGateway = v.InferOutput<typeof CreatedGateway>

export const MoveGateway = v.strictObject({ plantId: Uuid })
export type MoveGateway = v.InferOutput<typeof MoveGateway>

/** PKCS#10 in PEM. Its key must be EC P-256 or RSA of at least 2048 bits; its subject is ignored. */
const Csr = v.pipe(v.string(), v.minLength(1), v.maxLength(8192))

/** AWS IoT's id of a certificate: the SHA-256 of its DER, in hex. */
export const CertificateId = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits'))

/** The same token with the same key gets the same answer for as long as the token lasts; with another key none. */
export const EnrolmentRequest = v.strictObject({
  token: v.pipe(v.string(), v.minLength(1), v.maxLength(128)),
  csr: Csr,
})
export type EnrolmentRequest = v.InferOutput<typeof EnrolmentRequest>

/** Where a gateway stands, and where and under which topics it publishes from there. */
const gatewayPlace = {
  /** Host of the MQTT endpoint, with `:port` only when that is not one of AWS IoT's own (8883, 443). */
  endpoint: v.string(),
  topics: v.object({
    /** With `{machine}` in the machine's place. */
    telemetry: v.string(),
    status: v.string(),
  }),
  tenant: Slug,
  province: Slug,
  plant: Slug,
}

export const Enrolment = v.object({
  thingName: ThingName,
  certificateId: CertificateId,
  certificatePem: v.string(),
  caPem: v.string(),
  ...gatewayPlace,
})
export type Enrolment = v.InferOutput<typeof Enrolment>

/**
 * What a gateway asks about itself, without a user. `certificateId` is of the certificate whose key signs: base64 of
 * `crypto.sign('sha256', signedText(…), key)` (schemas/identity.ts).
 */
const signed = {
  thingName: ThingName,
  certificateId: CertificateId,
  signature: v.pipe(v.string(), v.base64(), v.maxLength(1024)),
}

export const IdentityRequest = v.strictObject(signed)
export type IdentityRequest = v.InferOutput<typeof IdentityRequest>

export const IdentityState = v.object({
  lifecycle: v.picklist(['enrolled', 'active', 'rotating']),
  /** The gateway is to make a new key and to renew. */
  rotate: v.boolean(),
  /** Others than before after a move: those of before are refused by the broker. */
  ...gatewayPlace,
})
export type IdentityState = v.InferOutput<typeof IdentityState>

/** The same key again gets the same certificate. The present one holds until the new one is confirmed by its own signature. */
export const RenewalRequest = v.strictObject({ ...signed, csr: Csr })
export type RenewalRequest = v.InferOutput<typeof RenewalRequest>

/** `?from=&to=`: `from` <= time < `to`, epoch ms. Each may be left out. */
export const TimeQuery = v.strictObject({ from: v.optional(EpochMsText), to: v.optional(EpochMsText) })
export type TimeQuery = v.InferOutput<typeof TimeQuery>

/** `limit`: how many machines are listed. */
export const CompletenessQuery = v.strictObject({ ...TimeQuery.entries, limit: PageQuery.entries.limit })

/**
 * Readings by their seqs. `expected` = `stored` + `missing`; `missing` = `held` + `dropped` +
 * `quarantined` + `lost`.
 * `percent` is of `expected`, rounded down to thousandths; null when nothing is expected.
 */
const completeness = {
  /** Declared by a gateway, without those that are underway. */
  expected: v.number(),
  stored: v.number(),
  percent: v.nullable(v.number()),
  missing: v.number(),
  /** Missing, and in the outbox of the gateway, as its newest heartbeat says: they are still to come. */
  held: v.number(),
  /** Missing, and declared as dropped by the gateway, whose outbox was full. */
  dropped: v.number(),
  /** Missing, and among the dead letters, as far as these tell their seq. */
  quarantined: v.number(),
  /** Missing, and nobody is known to have them. */
  lost: v.number(),
  /** Declared or sent within the last minute or so, and not stored yet. */
  underway: v.number(),
  /** Stored, of seqs that no gateway has declared: whether some are missing between them cannot be said. */
  undeclared: v.number(),
}

export const MachineCompleteness = v.object({
  machineId: Uuid,
  plantId: Uuid,
  slug: Slug,
  name: v.nullable(v.string()),
  ...completeness,
})
export type MachineCompleteness = v.InferOutput<typeof MachineCompleteness>

/** Of all machines asked for together; `items` are the worst of them, the worst first. */
export const CompletenessSummary = v.object({
  machines: v.number(),
  ...completeness,
  items: v.array(MachineCompleteness),
})
export type CompletenessSummary = v.InferOutput<typeof CompletenessSummary>

/** Ranges of seqs include both ends. */
export const CompletenessOfMachine = v.object({
  ...MachineCompleteness.entries,
  /** Deliveries that were not stored, as they came before; counted by whole blocks of 1,024 seqs. */
  duplicates: v.number(),
  /** Newest first. */
  missingRanges: v.array(
    v.object({ from: v.number(), to: v.number(), state: v.picklist(['held', 'dropped', 'quarantined', 'lost']) }),
  ),
  /** There are more and older ones. */
  hasMoreRanges: v.boolean(),
  /** What was looked at, by outbox; a gateway that is deleted has no name any more. */
  declared: v.array(v.object({ thingName: v.nullable(ThingName), from: v.number(), to: v.number() })),
})
export type CompletenessOfMachine = v.InferOutput<typeof CompletenessOfMachine>

export const MAX_STRIP_CELLS = 48

/** `cellMs` divides a day, or is of whole days: cells begin at its multiples since 1970 (UTC). */
export const CompletenessStripQuery = v.strictObject({
  from: EpochMsText,
  to: EpochMsText,
  cellMs: v.pipe(v.string(), v.regex(/^\d{1,10}$/), v.transform(Number), v.minValue(60_000)),
})

/**
 * A range of time in cells, the oldest first. What is missing at the edge of two cells, where it may have been read in
 * either, is counted in both.
 */
export const CompletenessStrip = v.object({
  cells: v.array(v.object({ from: EpochMs, to: EpochMs, ...completeness })),
})
export type CompletenessStrip = v.InferOutput<typeof CompletenessStrip>

/** Bytes of a dead letter's payload that a list shows: a page of 500 stays within what a function may answer (6 MB). */
export const SHOWN_PAYLOAD_BYTES = 1024

/** A message that was not accepted, in quarantine until somebody redrives or discards it. */
export const DeadLetter = v.object({
  id: Uuid,
  code: DeadLetterCode,
  message: v.string(),
  /** Null where the message did not tell, as with a body that is no envelope. The same for the next three. */
  topic: v.nullable(v.string()),
  /** Slug. */
  machine: v.nullable(v.string()),
  /** clientId of the connection that published it. */
  thingName: v.nullable(v.string()),
  /** Broker's clock. */
  receivedAt: v.nullable(EpochMs),
  quarantinedAt: EpochMs,
  /** A redrive was asked for, and has not come to it yet. */
  redriveAt: v.nullable(EpochMs),
  /** Size of what the gateway sent, or of the whole body where that cannot be told. */
  bytes: v.number(),
  /** Of the first 1,024 bytes; null when they are not UTF-8. */
  text: v.nullable(v.string()),
  hex: v.string(),
})
export type DeadLetter = v.InferOutput<typeof DeadLetter>
export const DeadLetterPage = page(DeadLetter)
export type DeadLetterPage = v.InferOutput<typeof DeadLetterPage>

/** All of one code that are in quarantine now. */
export const DeadLetterGroup = v.object({
  code: DeadLetterCode,
  count: v.number(),
  /** Of which a redrive was asked for, and has not come to them yet. */
  redriving: v.number(),
  oldestAt: EpochMs,
  newestAt: EpochMs,
})
export type DeadLetterGroup = v.InferOutput<typeof DeadLetterGroup>

/** The largest first. */
export const DeadLetterGroups = v.object({ items: v.array(DeadLetterGroup) })

/** The time is `quarantinedAt`. */
export const DeadLetterQuery = v.strictObject({
  ...PageQuery.entries,
  ...TimeQuery.entries,
  code: v.optional(DeadLetterCode),
  machine: v.optional(Slug),
})
export type DeadLetterQuery = v.InferOutput<typeof DeadLetterQuery>

export const chosenDeadLetters = {
  ids: v.optional(v.pipe(v.array(Uuid), v.minLength(1), v.maxLength(500))),
  /** All of it that are in quarantine now. */
  code: v.optional(DeadLetterCode),
}
export const oneIsSaid = ({ ids, code }: { ids?: unknown; code?: unknown }) =>
  (ids === undefined) !== (code === undefined)
export const ONE_IS_SAID = 'must have either ids or code'

export const RedriveRequest = v.pipe(
  v.strictObject(chosenDeadLetters),
  v.check((chosen) => oneIsSaid(chosen), ONE_IS_SAID),
)
export type RedriveRequest = v.InferOutput<typeof RedriveRequest>

/** How many will go back to their queues, at a bounded rate. */
export const RedriveAnswer = v.object({ accepted: v.number() })
export type RedriveAnswer = v.InferOutput<typeof RedriveAnswer>

export const DiscardRequest = v.strictObject({
  reason: v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(500)),
})
export type DiscardRequest = v.InferOutput<typeof DiscardRequest>

export const RealtimeTicket = v.object({ url: v.string(), ticket: v.string(), expiresAt: EpochMs })
export type RealtimeTicket = v.InferOutput<typeof RealtimeTicket>

export const Health = v.object({
  status: v.picklist(['ok', 'degraded']),
  postgres: v.picklist(['up', 'down']),
  redis: v.picklist(['up', 'down']),
  version: v.string(),
})
export type Health = v.InferOutput<typeof Health>

/** `/config.json` of the web app, read at run time so that one build serves every stage. */
export const WebConfig = v.object({
  stage: v.string(),
  /** Prefix of every API call; empty when the API answers on the page's own origin. */
  apiUrl: v.string(),
  firebase: v.object({
    projectId: v.string(),
    apiKey: v.string(),
    authDomain: v.string(),
    /** Only the local system sets it. */
    emulatorUrl: v.optional(v.string()),
  }),
})
export type WebConfig = v.InferOutput<typeof WebConfig>
