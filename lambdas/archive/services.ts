import type { Kysely } from 'kysely'
import type pg from 'pg'
import type { Database } from '../data/database.ts'
import type { Objects } from '../runtime/objects.ts'

export interface Services {
  db: Kysely<Database>
  /** Beside `db`: messages are read from here while files are noted there. */
  reader: pg.Pool
  objects: Objects
  /** A file is closed when it has reached one of these, which bounds a step of a run whatever the values compress to. */
  maxFile: { bytes: number; samples: number }
  /** Folder for the file that is being written. */
  folder: string
  /** False when no step is to be begun any more. */
  hasTime: () => boolean
  now: () => number
}

/** Below the 100 MB up to which engines like files best. Twenty million samples take a minute or so. */
export const LARGEST_FILE: Services['maxFile'] = { bytes: 64 * 2 ** 20, samples: 20_000_000 }
