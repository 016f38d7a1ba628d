import { setTimeout as sleep } from 'node:timers/promises'
import { type Kysely, type RawBuilder, sql } from 'kysely'
import pg from 'pg'
import { forgetArchivedSeqs, isArchived } from './archive-days.ts'
import { DAY_MS, noteDropped, oldestHotDay } from './partitions.ts'
import { HOUR_MS, isRolledUpBefore } from './rollup-queue.ts'

/** Detaching waits for the statements that use the table; a long one is not waited for, but met again. */
const TRIES = 5
const LOCK_TIMEOUT_MS = 2000

export interface Dropped {
  partitions: string[]
  /** Days that could go, but wait to be rolled up or archived first. */
  waiting: number
}

/**
 * Drops the day partitions that are no longer hot. A day more is kept than consumers write (they take `oldestHotDay`
 * when a batch begins). A day whose hours are not all rolled up stays, and so does one that is not in the archive, where each
 * tenant's files were read back and counted: the rows are counted here once more before they go. DETACH CONCURRENTLY lets ingest go on
 * meanwhile; when it was broken off, in whatever state, the next run finishes it: tables are found by their name.
 * Throws (55P03) when a lock is not given in any of the tries.
 */
export async function dropOldPartitions<T>(db: Kysely<T>, now: number, hotRetentionDays: number): Promise<Dropped> {
  const before = new Date(oldestHotDay(now, hotRetentionDays) - DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')
  return db.connection().execute(async (connection) => {
    await sql`set lock_timeout = ${sql.lit(LOCK_TIMEOUT_MS)}`.execute(connection)
    try {
      const { rows } = await sql<{ name: string; endsAt: number }>`
        select relname as name, extract(epoch from to_date(right(relname, 8), 'YYYYMMDD') + 1)::int8 * 1000 as "endsAt"
        from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
          and relname ~ '^telemetry_events_[0-9]{8}$' and right(relname, 8) < ${before} order by 1`.execute(connection)
      const partitions: string[] = []
      for (const { name, endsAt } of rows) {
        const day = endsAt / DAY_MS - 1
        if (!(await isRolledUpBefore(connection, endsAt / HOUR_MS))) break
        if (!(await isArchived(connection, name, day))) break
        await retried(() => noteDropped(connection, day))
        await retried(() => drop(connection, name))
        await forgetArchivedSeqs(connection, day)
        partitions.push(name)
      }
      return { partitions, waiting: rows.length - partitions.length }
    } finally {
      await sql`reset lock_timeout`.execute(connection)
    }
  })
}

async function drop<T>(db: Kysely<T>, name: string): Promise<void> {
  const { rows } = await sql<{ pending: boolean }>`
    select inhdetachpending as pending from pg_inherits where inhrelid = ${name}::regclass`.execute(db)
  const [attached] = rows
  if (attached) {
    const how = attached.pending ? 'finalize' : 'concurrently'
    await sql`alter table telemetry_events detach partition ${sql.id(name)} ${sql.raw(how)}`.execute(db)
  }
  await sql`drop table ${sql.id(name)}`.execute(db)
}

async function retried(work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await work()
      return
    } catch (error) {
      const isLocked = error instanceof pg.DatabaseError && error.code === '55P03'
      if (!isLocked || attempt === TRIES) throw error
      await sleep(1000)
    }
  }
}

const ROWS_AT_ONCE = 20_000

/** Deletes the rollups of days that are no longer kept, at most for so long: the rest waits for the next run. */
export const deleteOldRollups = <T>(db: Kysely<T>, now: number, historyRetentionDays: number, forMs: number) =>
  deleteRows(db, 'rollups', sql`hour < ${oldestHotDay(now, historyRetentionDays) / HOUR_MS}`, forMs)

/**
 * The same for the dead letters of these days, whose readings history would no longer show. Those that somebody has asked
 * to be redriven stay until they are.
 */
export const deleteOldDeadLetters = <T>(db: Kysely<T>, now: number, historyRetentionDays: number, forMs: number) =>
  deleteRows(
    db,
    'quarantine',
    sql`quarantined_at < ${oldestHotDay(now, historyRetentionDays)} and redrive_at is null`,
    forMs,
  )

/** Alarms that were over before these days, with what was done with them and told of them. Whatever is open stays. */
export const deleteOldAlarms = <T>(db: Kysely<T>, now: number, historyRetentionDays: number, forMs: number) =>
  deleteRows(db, 'alarms', sql`closed_at < ${oldestHotDay(now, historyRetentionDays)}`, forMs)

async function deleteRows<T>(
  db: Kysely<T>,
  table: string,
  areOld: RawBuilder<unknown>,
  forMs: number,
): Promise<number> {
  const until = Date.now() + forMs
  let total = 0
  for (;;) {
    const { numAffectedRows = 0n } = await sql`
      delete from ${sql.id(table)} where ctid = any(array(
        select ctid from ${sql.id(table)} where ${areOld} limit ${ROWS_AT_ONCE} for update skip locked))`.execute(db)
    total += Number(numAffectedRows)
    if (numAffectedRows < ROWS_AT_ONCE || Date.now() > until) return total
  }
}
