/** Exports: tags of a machine over a range of time, as a file that a worker makes. */
import * as v from 'valibot'
import { page, PageQuery, Uuid } from './api.ts'
import { EpochMs, Slug, TagName } from './slugs.ts'

export const MAX_EXPORT_TAGS = 50
export const MAX_EXPORT_DAYS = 366
/** Tags times days: what the worker makes within its time at one reading per second, of machines of 50 tags. */
export const MAX_EXPORT_TAG_DAYS = 1000
/** Of one person, not finished yet. */
export const MAX_UNFINISHED_EXPORTS = 3

export const ExportFormat = v.picklist(['csv', 'parquet'])
export type ExportFormat = v.InferOutput<typeof ExportFormat>

export const CreateExport = v.strictObject({
  machineId: Uuid,
  tags: v.pipe(
    v.array(TagName),
    v.minLength(1, 'name at least one tag'),
    v.maxLength(MAX_EXPORT_TAGS, `name at most ${MAX_EXPORT_TAGS} tags`),
    v.check((tags) => new Set(tags).size === tags.length, 'a tag is named twice'),
  ),
  /** Readings from `from` on, and before `to`. */
  from: EpochMs,
  to: EpochMs,
  format: ExportFormat,
})
export type CreateExport = v.InferOutput<typeof CreateExport>

/**
 * queued, running: not finished. ready: `url` is there. failed: `failure` says why. expired: the file is gone.
 */
export const ExportState = v.picklist(['queued', 'running', 'ready', 'failed', 'expired'])
export type ExportState = v.InferOutput<typeof ExportState>

/** too_large: more readings than the worker can write in its time. not_finished: something of ours went wrong; ask again. */
export const ExportFailure = v.picklist(['too_large', 'not_finished'])
export type ExportFailure = v.InferOutput<typeof ExportFailure>

export const Export = v.object({
  exportId: Uuid,
  machineId: Uuid,
  machine: Slug,
  plantId: Uuid,
  plant: Slug,
  tags: v.array(TagName),
  from: EpochMs,
  to: EpochMs,
  format: ExportFormat,
  state: ExportState,
  failure: v.nullable(ExportFailure),
  /** Of the range, 0 to 100. */
  percent: v.number(),
  createdAt: EpochMs,
  /** Of a file: one per tag and reading. */
  rows: v.nullable(v.number()),
  bytes: v.nullable(v.number()),
  /** When the file goes. */
  expiresAt: v.nullable(EpochMs),
})
export type Export = v.InferOutput<typeof Export>

/** With the address of its file, which holds for some minutes: ask again for another one. Null while there is no file. */
export const ExportWithUrl = v.object({ ...Export.entries, url: v.nullable(v.pipe(v.string(), v.url())) })
export type ExportWithUrl = v.InferOutput<typeof ExportWithUrl>

export const ExportsQuery = v.strictObject({ ...PageQuery.entries, machineId: v.optional(Uuid) })
export const ExportPage = page(Export)
export type ExportPage = v.InferOutput<typeof ExportPage>

/** What the worker is told. All else stands in Postgres. */
export const ExportWorkItem = v.object({ tenantId: Uuid, exportId: Uuid })
export type ExportWorkItem = v.InferOutput<typeof ExportWorkItem>
