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
