import { type Kysely, sql } from 'kysely'
import type { Database, Quarantine } from './database.ts'

export type Redriven = Pick<Quarantine, 'id' | 'queue' | 'code' | 'received_at' | 'body'>

/**
 * Hands the next `limit` dead letters that are to be redriven, oldest request first, to `send`, which returns the ids of
 * those that are in their queues. Only then these are deleted, and counted: a run that dies before has lost nothing, and
 * the next one sends them again, which ingest takes for duplicates. What another run holds is left to it.
 */
export function redriveNext(
  db: Kysely<Database>,
  limit: number,
  send: (letters: Redriven[]) => Promise<string[]>,
): Promise<number> {
  return db.transaction().execute(async (transaction) => {
    const letters = await transaction
      .selectFrom('quarantine')
      .select(['id', 'queue', 'code', 'received_at', 'body'])
      .where('redrive_at', 'is not', null)
      .orderBy('redrive_at')
      .orderBy('id')
      .limit(limit)
      .forUpdate()
      .skipLocked()
      .execute()
    if (letters.length === 0) return 0
    const sent = await send(letters)
    await transaction
      .deleteFrom('quarantine')
      .where('id', '=', sql<string>`any(${sent}::uuid[])`)
      .execute()
    return sent.length
  })
}
