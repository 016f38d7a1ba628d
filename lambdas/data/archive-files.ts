/** The manifest of the archive. */
import { type Kysely, type Selectable, sql } from 'kysely'
import { type QueuedMachine, unqueue } from './archive-queue.ts'
import type { ArchiveFiles, Database } from './database.ts'
import type { TenantDay } from './archive-days.ts'
import { dateOfDay } from './partitions.ts'

export type ArchiveFile = Selectable<ArchiveFiles>

/** Begins the keys of all that a tenant has in the archive; `where` says in which table, or none. */
export const prefixOf = (where: 'readings' | 'staging', tenant: string): string => `${where}/tenant=${tenant}/`

/** Prefix of the day's objects. */
export const dayPrefix = (where: 'readings' | 'staging', { tenant, day }: Pick<TenantDay, 'tenant' | 'day'>): string =>
  `${prefixOf(where, tenant)}date=${dateOfDay(day)}/`

export const keyOf = (
  where: 'readings' | 'staging',
  day: Pick<TenantDay, 'tenant' | 'day'>,
  { id }: Pick<ArchiveFile, 'id'>,
): string => `${dayPrefix(where, day)}${id}.parquet`

/** In the order in which they were written. */
export function filesOf(db: Kysely<Database>, { tenantId, day }: TenantDay): Promise<ArchiveFile[]> {
  return db
    .selectFrom('archive_files')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('day', '=', day)
    .orderBy('id')
    .execute()
}

/** A machine's seqs, as a multirange. */
export interface MachineSeqs {
  machineId: string
  seqs: string
}

/**
 * A file that stands in the archive, has been read back, and holds these seqs, of which none was there before. `done`: machines
 * of which nothing more is to come.
 */
export async function addLiveFile(
  db: Kysely<Database>,
  file: ArchiveFile,
  machines: MachineSeqs[],
  done: QueuedMachine[],
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await transaction.insertInto('archive_files').values(file).execute()
    const { rows } = await sql<{ isTwice: boolean }>`
      select exists (select from archived_seqs a
        join unnest(${machines.map((one) => one.machineId)}::uuid[], ${machines.map((one) => one.seqs)}::int8multirange[])
          as added(machine_id, seqs) on added.machine_id = a.machine_id
        where a.day = ${file.day} and a.seqs && added.seqs) as "isTwice"`.execute(transaction)
    if (rows[0]!.isTwice) throw new Error(`the file ${file.id} holds messages that are in the archive`)
    await sql`
      insert into archived_seqs as a (tenant_id, machine_id, day, seqs)
      select ${file.tenant_id}, machine_id, ${file.day}, seqs
      from unnest(${machines.map((one) => one.machineId)}::uuid[], ${machines.map((one) => one.seqs)}::int8multirange[])
        as added(machine_id, seqs)
      on conflict (machine_id, day) do update set seqs = a.seqs + excluded.seqs`.execute(transaction)
    const ofDay = { tenant_id: file.tenant_id, day: file.day }
    await transaction
      .updateTable('archive_days')
      .set({ verified_at: null, has_late_files: sql`has_late_files or archived_at is not null` })
      .where((eb) => eb.and(ofDay))
      .execute()
    // They may have passed the place where these messages belong.
    await transaction
      .deleteFrom('archive_files')
      .where((eb) => eb.and({ ...ofDay, state: 'staged' }))
      .execute()
    await unqueue(transaction, file.day, done)
  })
}

export async function addStagedFile(db: Kysely<Database>, file: ArchiveFile): Promise<void> {
  await db.insertInto('archive_files').values(file).execute()
}

/** The staged files of the day take the place of the live ones; they are moved there next. */
export async function replaceByStaged(db: Kysely<Database>, { tenantId, day }: TenantDay): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    const ofDay = { tenant_id: tenantId, day }
    await transaction
      .deleteFrom('archive_files')
      .where((eb) => eb.and({ ...ofDay, state: 'live' }))
      .execute()
    await transaction
      .updateTable('archive_files')
      .set({ state: 'publishing' })
      .where((eb) => eb.and({ ...ofDay, state: 'staged' }))
      .execute()
    await transaction
      .updateTable('archive_days')
      .set({ has_late_files: false })
      .where((eb) => eb.and(ofDay))
      .execute()
  })
}

export async function setLive(db: Kysely<Database>, id: string): Promise<void> {
  await db.updateTable('archive_files').set({ state: 'live' }).where('id', '=', id).execute()
}

/** Live files of all days, by id, after the one with that id. */
export function filesOfTenant(
  db: Kysely<Database>,
  tenantId: string,
  after: string | undefined,
  limit: number,
): Promise<ArchiveFile[]> {
  return db
    .selectFrom('archive_files')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('state', '=', 'live')
    .$if(after !== undefined, (query) => query.where('id', '>', after!))
    .orderBy('id')
    .limit(limit)
    .execute()
}
