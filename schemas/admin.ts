/** What `npm run admin` asks of the admin function, which only AWS credentials can call, and what it answers. */
import * as v from 'valibot'
import { chosenDeadLetters, DeadLetter, Email, Gateway, Name, ONE_IS_SAID, oneIsSaid, TimeZone, Uuid } from './api.ts'
import { DeadLetterCode } from './error-codes.ts'
import { Role } from './permissions.ts'
import { EpochMs, Slug, ThingName } from './slugs.ts'

/** Where a work of several calls goes on: what the call before has answered. Absent in the first one. */
const Cursor = v.optional(v.string())

export const AdminCommand = v.variant('command', [
  v.strictObject({ command: v.literal('tenant create'), slug: Slug, name: Name }),
  v.strictObject({ command: v.literal('tenant list') }),
  v.strictObject({ command: v.literal('tenant costs') }),
  v.strictObject({ command: v.literal('tenant disable'), slug: Slug }),
  v.strictObject({ command: v.literal('tenant enable'), slug: Slug }),
  v.strictObject({ command: v.literal('tenant export'), slug: Slug, table: v.optional(v.string()), cursor: Cursor }),
  /** Of `tenant export`: the archive's files. */
  v.strictObject({ command: v.literal('tenant archive'), slug: Slug, cursor: Cursor }),
  v.strictObject({ command: v.literal('tenant delete'), slug: Slug, cursor: Cursor }),
  v.strictObject({
    command: v.literal('plant create'),
    tenant: Slug,
    province: Slug,
    slug: Slug,
    name: Name,
    timeZone: TimeZone,
  }),
  v.strictObject({
    command: v.literal('user invite'),
    tenant: Slug,
    email: Email,
    /** Absent: the person sets it by a link. */
    password: v.optional(v.pipe(v.string(), v.minLength(8))),
    role: Role,
    /** Slugs of plants, or all. */
    plants: v.union([v.literal('all'), v.array(Slug)]),
  }),
  v.strictObject({ command: v.literal('gateway list'), tenant: v.optional(Slug) }),
  v.strictObject({ command: v.literal('dead-letter list'), code: v.optional(DeadLetterCode) }),
  v.pipe(
    v.strictObject({ command: v.literal('dead-letter redrive'), ...chosenDeadLetters }),
    v.check((chosen) => oneIsSaid(chosen), ONE_IS_SAID),
  ),
])
export type AdminCommand = v.InferOutput<typeof AdminCommand>

export const TenantSummary = v.object({
  slug: Slug,
  name: v.string(),
  createdAt: EpochMs,
  disabledAt: v.nullable(EpochMs),
  /** Its deletion has begun, and has to be brought to its end. */
  deletingAt: v.nullable(EpochMs),
  plants: v.number(),
  machines: v.number(),
  gateways: v.number(),
  users: v.number(),
})
export type TenantSummary = v.InferOutput<typeof TenantSummary>

/** What a tenant has sent in so many whole days. */
export const TenantUsage = v.object({
  slug: Slug,
  days: v.number(),
  messages: v.number(),
  samples: v.number(),
  /** Of all of its gateways together. */
  connectedMinutes: v.number(),
})
export type TenantUsage = v.InferOutput<typeof TenantUsage>

export const GatewaySummary = v.object({
  thingName: ThingName,
  tenant: Slug,
  province: Slug,
  plant: Slug,
  lifecycle: Gateway.entries.lifecycle,
  connection: v.string(),
  lastSeenAt: v.nullable(EpochMs),
})
export type GatewaySummary = v.InferOutput<typeof GatewaySummary>

/** A table of an export. `type` is Postgres's. */
export const ExportedTable = v.object({
  name: v.string(),
  columns: v.array(v.object({ name: v.string(), type: v.string() })),
})
export type ExportedTable = v.InferOutput<typeof ExportedTable>

/** A file of the archive. Whoever has the URL may get it for some minutes. */
export const ArchivedFile = v.object({
  /** `date=2026-01-31/….parquet` */
  path: v.string(),
  url: v.string(),
  bytes: v.number(),
  /** In hex. */
  sha256: v.string(),
})
export type ArchivedFile = v.InferOutput<typeof ArchivedFile>

/** `message` says what came of it, or what is in the way; `id` is of what is there now. */
export const AdminAnswer = v.variant('status', [
  /** Whoever has the link sets the password, once: not part of the message, which is logged. */
  v.object({ status: v.literal('invited'), id: Uuid, message: v.string(), link: v.string() }),
  v.object({ status: v.picklist(['created', 'exists']), id: Uuid, message: v.string() }),
  v.object({ status: v.picklist(['accepted', 'refused', 'done']), message: v.string() }),
  v.object({ status: v.literal('listed'), message: v.string(), items: v.array(DeadLetter) }),
  v.object({ status: v.literal('tenants'), message: v.string(), items: v.array(TenantSummary) }),
  v.object({ status: v.literal('usage'), message: v.string(), items: v.array(TenantUsage) }),
  v.object({ status: v.literal('gateways'), message: v.string(), items: v.array(GatewaySummary) }),
  v.object({ status: v.literal('tables'), message: v.string(), tables: v.array(ExportedTable) }),
  /** Rows as lines of JSON, compressed by gzip, in base64. Without a cursor the table is at its end. */
  v.object({ status: v.literal('rows'), message: v.string(), rows: v.string(), count: v.number(), cursor: Cursor }),
  /** Without a cursor there are no more. */
  v.object({ status: v.literal('files'), message: v.string(), files: v.array(ArchivedFile), cursor: Cursor }),
  /** There is more to do: call again, with the cursor, after `waitMs`. */
  v.object({ status: v.literal('working'), message: v.string(), cursor: v.string(), waitMs: v.number() }),
  /** Nothing is left; `counts` of what was looked at. */
  v.object({ status: v.literal('deleted'), message: v.string(), counts: v.record(v.string(), v.number()) }),
])
export type AdminAnswer = v.InferOutput<typeof AdminAnswer>
