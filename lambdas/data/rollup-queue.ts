import { type Kysely, sql } from 'kysely'
import type { Database } from './database.ts'

export const HOUR_MS = 3_600_000

/** An hour is rolled up when it has been over for this long, so that the usual few seconds of delay cost nothing twice. */
const MARGIN_MS = 2 * 60_000

/**
 * Puts each hour that is over on the queue, once, for all machines that have been heard since it began; after an outage
 * several. Ingest itself adds only what comes later than the end of its hour, by the database's clock, which it reads
 * when it holds the lock of the machine's bucket (store-telemetry.ts). Who held a lock before the hour's end can still be
 * about to commit: each lock is taken and given back, so that they have all committed when the hour is put on the queue.
 */
export async function enqueueFinishedHours(db: Kysely<Database>): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    const { rows } = await sql<{ first: number; next: number }>`
      select hour as first, (extract(epoch from clock_timestamp()) * 1000 - ${MARGIN_MS})::int8 / ${HOUR_MS} as next
      from rollup_progress for update skip locked`.execute(transaction)
    const due = rows[0]
    if (due === undefined || due.next <= due.first) return
    await sql`
      select pg_advisory_lock(7001, bucket), pg_advisory_unlock(7001, bucket) from generate_series(0, 255) bucket`.execute(
      transaction,
    )
    await sql`
      insert into rollup_queue (tenant_id, machine_id, hour)
      select s.tenant_id, s.machine_id, h.hour
      from machine_state s, generate_series(${due.first}::int8, ${due.next}::int8 - 1) h(hour)
      where s.ts >= h.hour * ${HOUR_MS}`.execute(transaction)
    await transaction.updateTable('rollup_progress').set({ hour: due.next }).execute()
  })
}

/** (machine, hour) pairs that wait, at most `limit` of them. */
export async function countWaitingHours(db: Kysely<Database>, limit: number): Promise<number> {
  const { rows } = await sql<{ waiting: number }>`
    select count(*) as waiting from (select distinct hour, machine_id from rollup_queue limit ${limit}) q`.execute(db)
  return rows[0]!.waiting
}

/** Nothing before this hour waits to be rolled up: its raw readings can go. */
export async function isRolledUpBefore<T>(db: Kysely<T>, hour: number): Promise<boolean> {
  const { rows } = await sql<{ done: boolean }>`
    select p.hour >= ${hour} and not exists (select from rollup_queue q where q.hour < ${hour}) as done
    from rollup_progress p`.execute(db)
  return rows[0]!.done
}
