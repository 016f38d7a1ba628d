import type { Kysely } from 'kysely'
import { sql } from 'kysely'
import type { Database, RollupQueue } from './database.ts'

const HOURS_PER_DAY = 24

/**
 * Readings of the machine's day may be missing from the archive: it is asked for again. In the transaction that takes the hour
 * from the rollup queue, so that whatever is stored is always on one of the two queues until it is in the archive.
 */
export async function markForArchive(
  db: Kysely<Database>,
  { tenant_id, machine_id, hour }: RollupQueue,
): Promise<void> {
  await db
    .insertInto('archive_queue')
    .values({ tenant_id, machine_id, day: Math.floor(hour / HOURS_PER_DAY) })
    .onConflict((conflict) =>
      conflict.columns(['machine_id', 'day']).doUpdateSet({ changes: sql`archive_queue.changes + 1` }),
    )
    .execute()
}

export interface QueuedMachine {
  machineId: string
  changes: number
}

/** By machine, as the messages come. */
export function queuedMachines(db: Kysely<Database>, tenantId: string, day: number): Promise<QueuedMachine[]> {
  return db
    .selectFrom('archive_queue')
    .select(['machine_id as machineId', 'changes'])
    .where('tenant_id', '=', tenantId)
    .where('day', '=', day)
    .orderBy('machine_id')
    .execute()
}

/** Those that have changed since they were read from the queue stay on it. */
export async function unqueue(db: Kysely<Database>, day: number, machines: QueuedMachine[]): Promise<void> {
  await sql`
    delete from archive_queue q
    using unnest(${machines.map((one) => one.machineId)}::uuid[], ${machines.map((one) => one.changes)}::int8[])
      as done(machine_id, changes)
    where q.machine_id = done.machine_id and q.day = ${day} and q.changes = done.changes`.execute(db)
}
