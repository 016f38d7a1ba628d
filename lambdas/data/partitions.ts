import { type Kysely, sql } from 'kysely'

export const DAY_MS = 86_400_000

/** Partitions exist this many days ahead: a week of a failing schedule stops nobody. */
const DAYS_AHEAD = 7

/** Lower bound, epoch ms, of the oldest UTC day that is still kept as raw events. Readings before it are too old. */
export function oldestHotDay(now: number, hotRetentionDays: number): number {
  return (Math.floor(now / DAY_MS) - hotRetentionDays) * DAY_MS
}

/** UTC days (since 1970-01-01) before this one are written by nobody any more: a running consumer may be a day behind. */
export const firstOpenDay = (now: number, hotRetentionDays: number): number =>
  oldestHotDay(now, hotRetentionDays) / DAY_MS - 1

/**
 * UTC days (since 1970-01-01) before this one were dropped once. Who raises the retention afterwards opens them again, and what comes then
 * stands in Postgres without all that was there before: of such a day nothing may be made anew.
 */
export async function droppedBefore<T>(db: Kysely<T>): Promise<number> {
  const { rows } = await sql<{ day: number }>`select dropped_before as day from rollup_progress`.execute(db)
  return rows[0]!.day
}

/** Before the day goes: who stops in between has said too much, and nothing is lost by it. */
export async function noteDropped<T>(db: Kysely<T>, day: number): Promise<void> {
  await sql`update rollup_progress set dropped_before = greatest(dropped_before, ${day + 1}::int4)`.execute(db)
}

/** `2026-01-31` */
export const dateOfDay = (day: number): string => utcDate(day * DAY_MS)

/** Makes the missing partitions of all hot days and of the days ahead. Returns how many there were to make. */
export async function ensurePartitions<T>(db: Kysely<T>, now: number, hotRetentionDays: number): Promise<number> {
  const first = utcDate(oldestHotDay(now, hotRetentionDays))
  const last = utcDate(now + DAYS_AHEAD * DAY_MS)
  const result = await sql<{ made: number }>`select ensure_partitions(${first}, ${last}) as made`.execute(db)
  return result.rows[0]!.made
}

const utcDate = (epochMs: number) => new Date(epochMs).toISOString().slice(0, 10)
