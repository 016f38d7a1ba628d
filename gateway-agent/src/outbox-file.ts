import { existsSync, readdirSync, renameSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Failure, messageOf } from './failure.ts'

/**
 * The file's format is `user_version`: entry n changes format n into n + 1. A file of an older agent is migrated when it
 * is opened; one of a newer agent is left alone. Format 2 keeps the number of messages, as counting them reads the whole file;
 * format 3 where the gateway stands, and what it has carried there.
 */
const MIGRATIONS = [
  `create table message (id integer primary key autoincrement, machine text not null, seq integer not null, payload text not null) strict;
   create table machine (slug text primary key, first integer not null, next integer not null) strict, without rowid;
   create table dropped (machine text not null, first integer not null, last integer not null, primary key (machine, first)) strict, without rowid;`,
  `create table tally (count integer not null) strict;
   insert into tally select count(*) from message;`,
  `create table carried (machine text not null, first integer not null, last integer not null, primary key (machine, first)) strict, without rowid;
   create table place (telemetry_topic text not null) strict;`,
]

/** SQLITE_CORRUPT and SQLITE_NOTADB: no part of such a file can be trusted (https://sqlite.org/rescode.html). */
const CORRUPT_CODES = [11, 26]
const DISK_FULL_CODE = 13

const resultCodeOf = (error: unknown) => ((error as { errcode?: number } | undefined)?.errcode ?? 0) & 0xff
export const isCorrupt = (error: unknown) => CORRUPT_CODES.includes(resultCodeOf(error))
export const isDiskFull = (error: unknown) => resultCodeOf(error) === DISK_FULL_CODE

/** A damaged outbox under its new name: what it still held was not sent. */
export interface SetAside {
  /** Epoch ms. */
  at: number
  /** Name in dataDir. */
  file: string
}

/**
 * Opens the outbox's file, and makes or migrates it first where needed. Throws SQLite's error when the file is damaged,
 * a Failure when it cannot be used for another reason.
 */
export function openOutboxFile(file: string): DatabaseSync {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(file)
    // Locked while it is open, so that a second agent on the same folder cannot hand out the same seqs.
    database.exec('pragma locking_mode = exclusive; pragma journal_mode = wal; pragma synchronous = full')
    const { user_version: format } = database.prepare('pragma user_version').get() as { user_version: number }
    if (format > MIGRATIONS.length) {
      throw new Error(`its format is ${format}, this agent knows up to ${MIGRATIONS.length}; install the newer agent`)
    }
    const steps = MIGRATIONS.slice(format).join('\n')
    if (steps) database.exec(`begin exclusive; ${steps} pragma user_version = ${MIGRATIONS.length}; commit`)
    return database
  } catch (error) {
    database?.close()
    if (isCorrupt(error)) throw error
    const message = messageOf(error)
    if (/locked|busy/i.test(message)) {
      throw new Failure(`${file}: another gateway-agent is running with this dataDir; stop it first`, 1)
    }
    throw new Failure(`${file}: cannot open the outbox: ${message}`, 1)
  }
}

/**
 * Renames a damaged file, with its log, and opens a new one. `database` is the damaged one where it is open still: the
 * new file's seqs begin above the old ones if those can be read, and at the present time in any case, so none is used twice.
 */
export function replaceOutboxFile(file: string, database?: DatabaseSync): { database: DatabaseSync; aside: SetAside } {
  const nextSeqs = database ? seqsIn(database) : []
  database?.close()
  const at = Date.now()
  const aside = join(dirname(file), `${basename(file, '.sqlite')}.corrupt-${at}.sqlite`)
  try {
    // A file without its log would be taken for whole, and give out again the seqs that only the log knows; a log alone is removed by SQLite.
    for (const suffix of ['', '-wal', '-shm']) {
      if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix)
    }
  } catch (error) {
    throw new Failure(`${file}: is damaged, and cannot be set aside: ${messageOf(error)}`, 1)
  }
  const fresh = openOutboxFile(file)
  const keep = fresh.prepare('insert into machine (slug, first, next) values (:slug, :next, :next)')
  for (const { slug, next } of nextSeqs) keep.run({ slug, next: Math.max(next, at) })
  return { database: fresh, aside: { at, file: basename(aside) } }
}

/** The newest damaged file beside this one, until somebody removes it. */
export function newestSetAside(file: string): SetAside | undefined {
  const pattern = new RegExp(String.raw`^${basename(file, '.sqlite')}\.corrupt-(\d+)\.sqlite$`)
  const found = readdirSync(dirname(file)).flatMap((name) => {
    const at = pattern.exec(name)?.[1]
    return at ? [{ at: Number(at), file: name }] : []
  })
  return found.toSorted((a, b) => b.at - a.at)[0]
}

function seqsIn(database: DatabaseSync): { slug: string; next: number }[] {
  try {
    return database.prepare('select slug, next from machine').all() as { slug: string; next: number }[]
  } catch {
    // That part is damaged too: the clock alone must do.
    return []
  }
}
