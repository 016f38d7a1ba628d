import { type Kysely, sql } from 'kysely'
import type { Database } from './database.ts'
import { type Range } from './history-buckets.ts'
import { HOUR_MS } from './rollup-queue.ts'
import type { Cell, Change } from './tag-series.ts'

export type Kind = 'number' | 'boolean' | 'string'

export interface TagRange extends Range {
  tenantId: string
  machineId: string
  tag: string
}

export interface Coverage {
  /** Parts of the range to read raw, in order: what is not rolled up yet. */
  rawSpans: Range[]
  /** Hours that the rollups must not be asked for. */
  rawHours: number[]
  /** Rollups say nothing of this hour and later ones. */
  rolledUpTo: number
  /** The newest row of the range. */
  newest: { hour: number; kind: Kind } | null
}

/** What of the range is rolled up. Of hours that late data has changed the newest `rawHours` are to be read raw. */
export async function coverageOf(
  db: Kysely<Database>,
  { tenantId, machineId, tag, from, to }: TagRange,
  rawHours: number,
): Promise<Coverage> {
  const [first, end] = [Math.floor(from / HOUR_MS), Math.ceil(to / HOUR_MS)]
  const { rows } = await sql<{ rolledUpTo: number; queued: number[]; hour: number | null; kind: Kind }>`
    select p.hour as "rolledUpTo", newest.hour, newest.kind, array(
      select distinct q.hour::int4 from rollup_queue q
      where q.tenant_id = ${tenantId} and q.machine_id = ${machineId} and q.hour >= ${first} and q.hour < least(${end}, p.hour)
      order by 1 desc limit ${rawHours}) as queued
    from rollup_progress p left join lateral (
      select r.hour, r.kind from rollups r
      where r.tenant_id = ${tenantId} and r.machine_id = ${machineId} and r.tag = ${tag}
        and r.kind <> 'bad' and r.hour >= ${first} and r.hour < least(${end}, p.hour)
      order by r.hour desc, r.kind desc limit 1) newest on true`.execute(db)
  const { rolledUpTo, queued, hour, kind } = rows[0]!
  const spans = queued.toReversed().map((one) => ({ from: one * HOUR_MS, to: (one + 1) * HOUR_MS }))
  const rawSpans = [...spans, { from: Math.max(rolledUpTo, first) * HOUR_MS, to }]
    .map((span) => ({ from: Math.max(from, span.from), to: Math.min(to, span.to) }))
    .filter((span) => span.from < span.to)
  return { rawSpans, rawHours: queued, rolledUpTo, newest: hour === null ? null : { hour, kind } }
}

/** Numbers or booleans by bucket, and the buckets with readings that were no value. */
export async function rolledUpBuckets(
  db: Kysely<Database>,
  { tenantId, machineId, tag, from, to }: TagRange,
  kind: 'number' | 'boolean' | undefined,
  bucketMs: number,
  { rawHours, rolledUpTo }: Coverage,
): Promise<{ cells: Map<number, Cell>; bad: number[] }> {
  const rows = sql`rollups r
    where r.tenant_id = ${tenantId} and r.machine_id = ${machineId} and r.tag = ${tag} and r.kind in ('bad', ${kind ?? 'bad'})
      and r.hour >= ${Math.floor(from / HOUR_MS)} and r.hour < ${Math.min(Math.ceil(to / HOUR_MS), rolledUpTo)}
      and r.hour <> all(${rawHours}::int8[])`
  const cells =
    bucketMs < HOUR_MS
      ? sql`
        select r.hour * ${HOUR_MS} + (m.minute - 1) * 60000 as at, r.kind, m.*
        from (select * from ${rows}) r, unnest(r.minute_count, r.minute_min, r.minute_max, r.minute_sum, r.minute_known_ms)
          with ordinality as m(count, min, max, sum, known_ms, minute)
        where m.count > 0`
      : sql`select r.hour * ${HOUR_MS} as at, r.kind, r.count, r.min, r.max, r.sum, r.known_ms from ${rows}`
  const found = await sql<Omit<Cell, 'last'> & { start: number; kind: Kind | 'bad' }>`
    select c.at - c.at % ${bucketMs} as start, c.kind, sum(c.count)::int8 as count, min(c.min) as min, max(c.max) as max,
      sum(c.sum) as sum, sum(coalesce(c.known_ms, c.count))::int8 as weight
    from (${cells}) c where c.at >= ${from} and c.at < ${to} group by 1, 2`.execute(db)
  const { bad = [], values = [] } = Object.groupBy(found.rows, (row) => (row.kind === 'bad' ? 'bad' : 'values'))
  return {
    cells: new Map(
      values.map(({ start, count, min, max, sum, weight }) => [
        start,
        { count, min, max, sum, weight, last: Number.NaN },
      ]),
    ),
    bad: bad.map(({ start }) => start),
  }
}

/** Strings: the changes of each hour, and the time of its last reading. */
export async function rolledUpChanges(
  db: Kysely<Database>,
  { tenantId, machineId, tag, from, to }: TagRange,
  { rawHours, rolledUpTo }: Coverage,
): Promise<{ changes: Change[]; lastAt: number }[]> {
  const rows = await db
    .selectFrom('rollups')
    .select(['hour', 'change_ms', 'change_to', 'last_ms'])
    .where('tenant_id', '=', tenantId)
    .where('machine_id', '=', machineId)
    .where('tag', '=', tag)
    .where('kind', '=', 'string')
    .where('hour', '>=', Math.floor(from / HOUR_MS))
    .where('hour', '<', Math.min(Math.ceil(to / HOUR_MS), rolledUpTo))
    .where(sql<boolean>`hour <> all(${rawHours}::int8[])`)
    .orderBy('hour')
    .execute()
  return rows.map(({ hour, change_ms, change_to, last_ms }) => ({
    changes: change_ms!.map((ms, index): Change => [hour * HOUR_MS + ms, change_to![index]!]),
    lastAt: hour * HOUR_MS + last_ms!,
  }))
}
