import type { Kysely } from 'kysely'
import type pg from 'pg'
import type { Database } from '../data/database.ts'
import type { Objects } from '../runtime/objects.ts'

export interface Services {
  db: Kysely<Database>
  /** Beside `db`: readings are read from here while progress is noted there. */
  reader: pg.Pool
  archive: Objects
  exports: Objects
  /** Folder for a Parquet file that is being written. */
  folder: string
  /** The most that folder may take. */
  maxFileBytes: number
  /** False when the rest of the time is needed to end what was begun. */
  hasTime: () => boolean
}
