/** Days of tenants on their way into the archive. `day`: days since 1970-01-01, UTC. */
import { type Kysely, sql } from 'kysely'
import type { Database } from './database.ts'
import { DAY_MS, droppedBefore } from './partitions.ts'

const HOURS_PER_DAY = 24

export interface TenantDay {
  tenantId: string
  tenant: string
  day: number
}

export interface DueDay extends TenantDay {
  /** Nobody writes it any more: it is compacted, and verified for the last time. */
  isClosed: boolean
}

/** How long an archived day waits for more late data before it is looked at again, until nobody writes it any more. */
const LATE_DATA_EVERY_MS = DAY_MS

/** Of a day, after its end, until it is called late. Its hours are rolled up within minutes. */
const LATE_AFTER_MS = 6 * 3_600_000

/**
 * Days with readings that are not in the archive yet, or that are to be verified before they may be dropped. A day is begun
 * when all its hours are rolled up. The oldest first; `firstOpenDay`: as of partitions.ts.
 */
export async function dueDays(db: Kysely<Database>, now: number, firstOpenDay: number): Promise<DueDay[]> {
  const { rows } = await sql<DueDay>`
    select d.tenant_id as "tenantId", t.slug as tenant, d.day, d.day < ${firstOpenDay} as "isClosed"
    from (
      select tenant_id, day from archive_queue group by 1, 2
      union
      select tenant_id, day from archive_days where verified_at is null and day < ${firstOpenDay}
    ) d
      join tenants t on t.id = d.tenant_id and t.deleting_at is null
      left join archive_days a on a.tenant_id = d.tenant_id and a.day = d.day
    where (a.archived_at is null or a.archived_at < ${now - LATE_DATA_EVERY_MS} or d.day < ${firstOpenDay})
      and coalesce(a.busy_until, 0) < ${now}
      and (select hour from rollup_progress) >= (d.day + 1) * ${HOURS_PER_DAY}
      and not exists (select from rollup_queue q where q.tenant_id = d.tenant_id
        and q.hour >= d.day * ${HOURS_PER_DAY} and q.hour < (d.day + 1) * ${HOURS_PER_DAY})
    order by d.day, t.slug`.execute(db)
  return rows
}

/** Days that should be in the archive, or verified, for hours now, and are not. */
export async function countLateDays(db: Kysely<Database>, now: number, firstOpenDay: number): Promise<number> {
  const endedBefore = Math.floor((now - LATE_AFTER_MS) / DAY_MS)
  const closedBefore = now % DAY_MS >= LATE_AFTER_MS ? firstOpenDay : firstOpenDay - 1
  const { rows } = await sql<{ late: number }>`
    select count(*) as late from (
      select q.tenant_id, q.day from archive_queue q
        left join archive_days a on a.tenant_id = q.tenant_id and a.day = q.day
      where q.day < ${endedBefore}
        and (a.archived_at is null or a.archived_at < ${now - LATE_DATA_EVERY_MS - LATE_AFTER_MS})
      union
      select tenant_id, day from archive_days where verified_at is null and day < ${closedBefore}
    ) late`.execute(db)
  return rows[0]!.late
}

/** False when somebody else works on the day. What a process that died holds is free again at `until`. */
export async function takeDay(db: Kysely<Database>, of: TenantDay, now: number, until: number): Promise<boolean> {
  const { numInsertedOrUpdatedRows = 0n } = await db
    .insertInto('archive_days')
    .values({ tenant_id: of.tenantId, day: of.day, busy_until: until })
    .onConflict((conflict) =>
      conflict
        .columns(['tenant_id', 'day'])
        .doUpdateSet({ busy_until: until })
        .where((eb) => eb.or([eb('archive_days.busy_until', 'is', null), eb('archive_days.busy_until', '<', now)])),
    )
    .executeTakeFirst()
  return numInsertedOrUpdatedRows > 0n
}

/** `archived_at` or `verified_at` when that is reached. */
export async function leaveDay(
  db: Kysely<Database>,
  { tenantId, day }: TenantDay,
  reached: { archived_at?: number; verified_at?: number },
): Promise<void> {
  await db
    .updateTable('archive_days')
    .set({ busy_until: null, ...reached })
    .where('tenant_id', '=', tenantId)
    .where('day', '=', day)
    .execute()
}

/** Longer than other statements may take: a day of readings is counted. */
const COUNT_TIMEOUT_MS = 300_000

/** Messages of the day in Postgres. */
export function countStored(db: Kysely<Database>, { tenantId, day }: TenantDay): Promise<number> {
  return db.transaction().execute(async (transaction) => {
    await sql`set local statement_timeout = ${sql.lit(COUNT_TIMEOUT_MS)}`.execute(transaction)
    const { count } = await transaction
      .selectFrom('telemetry_events')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .where('tenant_id', '=', tenantId)
      .where('ts', '>=', day * DAY_MS)
      .where('ts', '<', (day + 1) * DAY_MS)
      .executeTakeFirstOrThrow()
    return count
  })
}

/** Late files, or files that are not what they should be: the day is written anew when it is closed. */
export async function askForCompaction(db: Kysely<Database>, { tenantId, day }: TenantDay): Promise<void> {
  await db
    .updateTable('archive_days')
    .set({ has_late_files: true })
    .where('tenant_id', '=', tenantId)
    .where('day', '=', day)
    .execute()
}

export async function hasLateFiles(db: Kysely<Database>, { tenantId, day }: TenantDay): Promise<boolean> {
  const { has_late_files } = await db
    .selectFrom('archive_days')
    .select('has_late_files')
    .where('tenant_id', '=', tenantId)
    .where('day', '=', day)
    .executeTakeFirstOrThrow()
  return has_late_files
}

/**
 * Whether a partition may be dropped: for each tenant, all of its messages are in files that were read back and counted, and
 * nothing has changed since. Counts what the partition holds, unless it is one that was dropped before and made again.
 */
export async function isArchived<T>(db: Kysely<T>, partition: string, day: number): Promise<boolean> {
  const { rows } = await sql<{ done: boolean }>`
    select not exists (select from archive_queue where day = ${day}) and not exists (
      select from (select tenant_id, count(*) as stored from ${sql.id(partition)} group by 1) p
      where not exists (select from archive_days a where a.tenant_id = p.tenant_id and a.day = ${day} and a.verified_at is not null)
        or (${day} >= ${await droppedBefore(db)} and p.stored <> (select coalesce(sum(f.messages), 0) from archive_files f
          where f.tenant_id = p.tenant_id and f.day = ${day} and f.state = 'live'))
    ) as done`.execute(db)
  return rows[0]!.done
}

/** Of this day and all before it: only days that can still grow need them. */
export async function forgetArchivedSeqs<T>(db: Kysely<T>, day: number): Promise<void> {
  await sql`delete from archived_seqs where day <= ${day}`.execute(db)
}

/** Until when somebody may be at a day of the tenant (epoch ms); 0 when nobody is. */
export async function busyUntil(db: Kysely<Database>, tenantId: string): Promise<number> {
  const { until } = await db
    .selectFrom('archive_days')
    .select(({ fn }) => fn.max('busy_until').as('until'))
    .where('tenant_id', '=', tenantId)
    .executeTakeFirstOrThrow()
  return until ?? 0
}
