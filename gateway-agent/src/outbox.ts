import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { MachineLedger } from '../../schemas/status.ts'
import type { Quality, Scalar, TelemetryV1, Units } from '../../schemas/telemetry.ts'
import { Failure, messageOf } from './failure.ts'
import { MOST_LISTED_MESSAGES, pendingRanges } from './pending-ranges.ts'

/** A reading of one machine before it has its seq. */
export interface Reading {
  machine: string
  /** Epoch ms of the read. */
  timestamp: number
  values: Record<string, Scalar>
  quality?: Record<string, Quality>
  units?: Units
}

export interface StoredMessage {
  /** Grows with every message of this outbox, whatever the machine. */
  id: number
  machine: string
  /** Telemetry v1 as JSON. */
  payload: string
}

/** A heartbeat must stay below the 128 KB of IoT Core; older ranges have been declared in earlier heartbeats. */
const MOST_DECLARED_RANGES = 1000
const FORMAT = 1

const TABLES = `
  create table message (id integer primary key autoincrement, machine text not null, seq integer not null, payload text not null) strict;
  create table machine (slug text primary key, first integer not null, next integer not null) strict, without rowid;
  create table dropped (machine text not null, first integer not null, last integer not null, primary key (machine, first)) strict, without rowid;
  pragma user_version = ${FORMAT};
`

/**
 * The gateway's memory of what the broker has not yet acknowledged. What `add` has returned for is on the disk
 * (write-ahead log, synchronous=FULL): neither kill -9 nor a power cut loses it. The file is locked while it is open, so
 * that a second agent on the same folder cannot hand out the same seqs.
 */
export class Outbox {
  readonly #database: DatabaseSync
  readonly #maxBytes: number
  readonly #pageBytes: number
  readonly #statements: Record<keyof typeof SQL, StatementSync>
  #listener: () => void = () => undefined
  #count: number
  #lastId: number

  constructor(file: string, limits: { maxMegabytes: number }) {
    this.#database = openDatabase(file)
    this.#maxBytes = limits.maxMegabytes * 1024 * 1024
    this.#statements = mapValues(SQL, (sql) => this.#database.prepare(sql))
    this.#pageBytes = (this.#database.prepare('pragma page_size').get() as { page_size: number }).page_size
    const { count, lastId } = this.#statements.extent.get() as { count: number; lastId: number }
    this.#count = count
    this.#lastId = lastId
  }

  /** Messages that wait, those in flight included. */
  get count(): number {
    return this.#count
  }

  /** Id of the newest message ever added; 0 when there was none. */
  get lastId(): number {
    return this.#lastId
  }

  /** Called after each `add`, in its call: what it does must not throw. */
  onAdded(listener: () => void): void {
    this.#listener = listener
  }

  /**
   * Gives each reading the next seq of its machine and stores it, all in one transaction: either every reading is on the
   * disk with its seq, or no seq was used. Makes room first when the outbox is full.
   */
  add(readings: readonly Reading[]): void {
    let lastId = this.#lastId
    this.#transaction(() => {
      this.#makeRoom()
      for (const { machine, timestamp, values, quality, units } of readings) {
        const { seq } = this.#statements.allocate.get({ machine, now: Date.now() }) as { seq: number }
        const message: TelemetryV1 = {
          ...{ schemaVersion: 1, timestamp, seq, values },
          ...(quality && { quality }),
          ...(units && { units }),
        }
        lastId = Number(this.#statements.insert.run(machine, seq, JSON.stringify(message)).lastInsertRowid)
      }
    })
    this.#count += readings.length
    this.#lastId = lastId
    this.#listener()
  }

  /** Messages with `after` < id <= `until`, oldest first; they stay where they are. */
  peek({ after, until, limit }: { after: number; until: number; limit: number }): StoredMessage[] {
    return this.#statements.peek.all(after, until, limit) as unknown as StoredMessage[]
  }

  /** Forgets what the broker has acknowledged. Ids that are gone already are no fault. */
  remove(ids: readonly number[]): void {
    let removed = 0
    this.#transaction(() => {
      for (const id of ids) removed += Number(this.#statements.remove.run(id).changes)
    })
    this.#count -= removed
  }

  /** Per machine: every seq ever allocated, what was dropped because the outbox was full, and what still waits here. */
  ledger(): Record<string, MachineLedger> {
    const machines = this.#statements.machines.all() as { slug: string; first: number; last: number }[]
    const ledger: Record<string, MachineLedger> = {}
    const oldest = this.#statements.oldest.all(MOST_LISTED_MESSAGES) as unknown as { machine: string; seq: number }[]
    const pending = pendingRanges(machines, oldest, this.#count)
    for (const { slug, first, last } of machines) {
      ledger[slug] = { first, last, dropped: [], pending: pending.get(slug)! }
    }
    for (const { machine, first, last } of this.#statements.dropped.all(
      MOST_DECLARED_RANGES,
    ) as unknown as DroppedRange[]) {
      ledger[machine]!.dropped.unshift([first, last])
    }
    return ledger
  }

  close(): void {
    this.#database.close()
  }

  /** Drops the oldest, a hundredth at a time, until there is room; what is dropped is declared in the same transaction. */
  #makeRoom(): void {
    while (this.#usedBytes() > this.#maxBytes && this.#count > 0) {
      const oldest = this.#statements.oldest.all(Math.ceil(this.#count / 100)) as unknown as {
        id: number
        machine: string
        seq: number
      }[]
      for (const { id, machine, seq } of oldest) {
        this.#statements.remove.run(id)
        const { changes } = this.#statements.extendDropped.run({ machine, seq })
        if (changes === 0) this.#statements.insertDropped.run({ machine, seq })
      }
      this.#count -= oldest.length
    }
  }

  #usedBytes(): number {
    const { pages } = this.#statements.usedPages.get() as { pages: number }
    return pages * this.#pageBytes
  }

  #transaction(work: () => void): void {
    const count = this.#count
    this.#database.exec('begin immediate')
    try {
      work()
      this.#database.exec('commit')
    } catch (error) {
      this.#count = count
      // A full disk makes SQLite roll back by itself.
      if (this.#database.isTransaction) this.#database.exec('rollback')
      throw error
    }
  }
}

interface DroppedRange {
  machine: string
  first: number
  last: number
}

const SQL = {
  allocate: `insert into machine (slug, first, next) values (:machine, :now, :now + 1)
    on conflict (slug) do update set next = next + 1 returning next - 1 as seq`,
  insert: 'insert into message (machine, seq, payload) values (?, ?, ?)',
  peek: 'select id, machine, payload from message where id > ? and id <= ? order by id limit ?',
  oldest: 'select id, machine, seq from message order by id limit ?',
  remove: 'delete from message where id = ?',
  extendDropped: 'update dropped set last = :seq where machine = :machine and last = :seq - 1',
  insertDropped: 'insert into dropped (machine, first, last) values (:machine, :seq, :seq)',
  dropped: 'select machine, first, last from dropped order by first desc limit ?',
  machines: 'select slug, first, next - 1 as last from machine',
  // sqlite_sequence remembers the newest id after its row is gone.
  extent: `select (select count(*) from message) as count,
    coalesce((select seq from sqlite_sequence where name = 'message'), 0) as lastId`,
  usedPages: 'select page_count - freelist_count as pages from pragma_page_count, pragma_freelist_count',
} as const

function openDatabase(file: string): DatabaseSync {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(file)
    database.exec('pragma locking_mode = exclusive; pragma journal_mode = wal; pragma synchronous = full')
    const { user_version: format } = database.prepare('pragma user_version').get() as { user_version: number }
    if (format === 0) database.exec(`begin exclusive; ${TABLES} commit`)
    else if (format !== FORMAT) throw new Error(`its format is ${format}, this agent writes ${FORMAT}`)
    return database
  } catch (error) {
    database?.close()
    const message = messageOf(error)
    if (/locked|busy/i.test(message)) {
      throw new Failure(`${file}: another gateway-agent is running with this dataDir; stop it first`, 1)
    }
    throw new Failure(`${file}: cannot open the outbox: ${message}`, 1)
  }
}

function mapValues<K extends string, T, U>(record: Record<K, T>, change: (value: T) => U): Record<K, U> {
  return Object.fromEntries(Object.entries<T>(record).map(([key, value]) => [key, change(value)])) as Record<K, U>
}
