/**
 * History of one tag: at most as many buckets as asked for, each with its least and greatest value, so that no spike is
 * averaged away; where there is no value there is no bucket.
 *
 * A close look (buckets of less than a minute) reads the raw readings, and gives each one when they are few. Everything
 * else reads the rollups, and raw only what is not rolled up yet: the last hour or two, and hours that late data has just
 * changed, the newest RAW_HOURS of them. The queue is asked first, then the rest: an hour that leaves the queue meanwhile
 * is read raw all the same, so nothing is missing.
 */
import type { Kysely } from 'kysely'
import type { History, HistoryPoint } from '../../schemas/api.ts'
import type { Database } from './database.ts'
import {
  badSpans,
  bucketOf,
  chooseBucketMs,
  cutToRange,
  pointsOf,
  type Range,
  thinned,
  widened,
} from './history-buckets.ts'
import { coverageOf, type Kind, rolledUpBuckets, rolledUpChanges, type TagRange } from './history-rollups.ts'
import { DAY_MS, droppedBefore, oldestHotDay } from './partitions.ts'
import { pagesOfTag } from './read-readings.ts'
import { HOUR_MS } from './rollup-queue.ts'
import { type Change, mergeCell, TagSeries, TextChanges } from './tag-series.ts'

const MINUTE_MS = 60_000

/** A longer range has buckets of a minute at least: rollups are quicker, and no spike is missing from them either. */
const CLOSE_LOOK_MS = 6 * HOUR_MS

/** Readings that are looked at closely; where there are more, minutes do. */
const CLOSE_LOOK_READINGS = 25_000

const RAW_HOURS = 12

export interface HistoryQuery extends TagRange {
  /** At least 2. */
  buckets: number
  hotRetentionDays: number
}

/** That the user may see the machine has been checked. */
export async function readHistory(db: Kysely<Database>, query: HistoryQuery): Promise<History> {
  return (await closeLook(db, query)) ?? rolledUp(db, query)
}

/** Undefined when the range is too long or too full for it, or no longer hot. */
async function closeLook(db: Kysely<Database>, query: HistoryQuery): Promise<History | undefined> {
  const { tag, from, to, buckets } = query
  const bucketMs = chooseBucketMs(query, buckets)
  if (bucketMs >= MINUTE_MS || to - from > CLOSE_LOOK_MS) return undefined
  if (from < oldestHotDay(Date.now(), query.hotRetentionDays)) return undefined
  if (from < (await droppedBefore(db)) * DAY_MS) return undefined
  const range = widened(query, bucketMs)
  const series = new TagSeries({ cellMs: bucketMs })
  const readings: [at: number, value: unknown][] = []
  for await (const page of pagesOfTag(db, tag, { ...query, ...range })) {
    for (const { ts, value } of page) {
      series.add(ts, value)
      readings.push([ts, value])
    }
    if (readings.length > CLOSE_LOOK_READINGS) return undefined
  }
  series.end(Date.now())
  const kind = series.newest?.kind
  const badIn = (good: Iterable<number>) => badSpans(series.bad.keys(), good, bucketMs, Math.min(range.to, Date.now()))
  if (kind === undefined) return { ...nothing(query), bad: badIn([]) }
  if (kind === 'string') return changesOf(query, [series.text])
  const bad = badIn(series[kind].keys())
  const inside = readings.filter(([at, value]) => typeof value === kind && at >= from && at < to)
  if (inside.length > buckets) return { tag, kind, ...range, bucketMs, bad, points: pointsOf(series[kind]) }
  const points = inside.map(([at, value]): HistoryPoint => [at, Number(value), Number(value), Number(value), 1])
  return { tag, kind, from, to, bucketMs: 0, bad, points }
}

async function rolledUp(db: Kysely<Database>, query: HistoryQuery): Promise<History> {
  const { tag, buckets } = query
  const bucketMs = chooseBucketMs(query, buckets, MINUTE_MS)
  const range = { ...query, ...widened(query, bucketMs) }
  const coverage = await coverageOf(db, range, RAW_HOURS)
  const raw: TagSeries[] = []
  for (const span of coverage.rawSpans) raw.push(await readSpan(db, range, span))
  const kind = newestKind(coverage.newest, raw)
  if (kind === 'string') {
    const changes = await rolledUpChanges(db, range, coverage)
    return changesOf(query, [...changes, ...raw.map(({ text }) => text)])
  }
  const { cells, bad } = await rolledUpBuckets(db, range, kind, bucketMs, coverage)
  bad.push(...raw.flatMap((series) => [...series.bad.keys()].map((at) => bucketOf(at, bucketMs))))
  const badIn = (good: Iterable<number>) => badSpans(bad, good, bucketMs, Math.min(range.to, Date.now()))
  if (kind === undefined) return { ...nothing(query), bad: badIn([]) }
  for (const [at, cell] of raw.flatMap((series) => [...series[kind]])) {
    const start = bucketOf(at, bucketMs)
    const bucket = cells.get(start)
    if (bucket) mergeCell(bucket, cell)
    else cells.set(start, cell)
  }
  return { tag, kind, from: range.from, to: range.to, bucketMs, bad: badIn(cells.keys()), points: pointsOf(cells) }
}

async function readSpan(db: Kysely<Database>, query: TagRange, span: Range): Promise<TagSeries> {
  const series = new TagSeries({ cellMs: MINUTE_MS })
  for await (const page of pagesOfTag(db, query.tag, { ...query, ...span }))
    for (const { ts, value } of page) series.add(ts, value)
  series.end(Date.now())
  return series
}

/** A tag that has changed its kind is shown as what it was last; the rest of the range stays empty. */
function newestKind(newest: { hour: number; kind: Kind } | null, raw: TagSeries[]): Kind | undefined {
  const newestRaw = raw.findLast((series) => series.newest !== undefined)?.newest
  if (newestRaw && (!newest || newestRaw.at >= newest.hour * HOUR_MS)) return newestRaw.kind
  return newest?.kind
}

const nothing = ({ tag, from, to }: HistoryQuery) => ({ tag, kind: null, from, to, bucketMs: 0, points: [] })

function changesOf(query: HistoryQuery, parts: { changes: Change[]; lastAt: number | undefined }[]): History {
  const { tag, from, to, buckets } = query
  const all = new TextChanges()
  const inOrder = parts
    .filter(({ changes }) => changes.length > 0)
    .toSorted((one, two) => one.changes[0]![0] - two.changes[0]![0])
  for (const { changes, lastAt } of inOrder) all.append(changes, lastAt!)
  all.end(Math.min(to, Date.now()))
  const points = cutToRange(all.changes, query)
  if (points.length <= buckets) return { tag, kind: 'string', from, to, bucketMs: 0, points }
  const bucketMs = chooseBucketMs(query, buckets)
  return { tag, kind: 'string', from, to, bucketMs, points: thinned(points, bucketMs) }
}
