import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { MAX_CARRIED_RANGES, type MachineLedger } from '../../schemas/status.ts'
import type { Quality, Scalar, TelemetryV1, Units } from '../../schemas/telemetry.ts'
import { DiskRoom } from './disk-room.ts'
import { messageOf } from './failure.ts'
import {
  isCorrupt,
  isDiskFull,
  newestSetAside,
  openOutboxFile,
  replaceOutboxFile,
  type SetAside,
} from './outbox-file.ts'
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

const MEGABYTE = 1024 * 1024
/** A heartbeat must stay below the 128 KB of IoT Core; older ranges have been declared in earlier heartbeats. */
const MOST_DECLARED_RANGES = 1000
/** An outbox below this may grow however little the disk has left: these are the messages on their way. */
const ALWAYS_ALLOWED_BYTES = MEGABYTE
/** When the disk is low, what is added goes where something was: at least this much of the file is kept empty. */
const SPARE_PAGES = 64
/** Of a row beside its texts: cell pointer, lengths, rowid, record header, seq. */
const ROW_FRAME_BYTES = 24
/** Messages dropped at a time: few enough not to hold up the others, enough to empty whole pages. */
const MOST_DROPPED_AT_ONCE = 1000

export interface OutboxLimits {
  maxMegabytes: number
  /** Left to the rest of the computer; the outbox does not grow into it. */
  minFreeMegabytes?: number
}

/**
 * The gateway's memory of what the broker has not yet acknowledged. What `add` has returned for is on the disk
 * (write-ahead log, synchronous=FULL): neither kill -9 nor a power cut loses it. Bounded by its own limit and by the
 * disk's room: the oldest go, and are declared. A damaged file is set aside and replaced, at the start as well as later.
 */
export class Outbox {
  readonly #file: string
  readonly #disk: DiskRoom
  readonly #onSetAside: (aside: SetAside, reason: string) => void
  #database!: DatabaseSync
  #statements!: Record<keyof typeof SQL, StatementSync>
  #pageBytes = 0
  #maxBytes: number
  #listener: () => void = () => undefined
  #count = 0
  #lastId = 0
  #droppedCount = 0
  #addedBytes = 0
  #setAside: SetAside | undefined

  constructor(
    file: string,
    { maxMegabytes, minFreeMegabytes = 0 }: OutboxLimits,
    onSetAside: (aside: SetAside, reason: string) => void = () => undefined,
  ) {
    this.#file = file
    this.#disk = new DiskRoom(file, minFreeMegabytes * MEGABYTE)
    this.#maxBytes = maxMegabytes * MEGABYTE
    this.#onSetAside = onSetAside
    this.#setAside = newestSetAside(file)
    try {
      this.#use(openOutboxFile(file))
    } catch (error) {
      if (!isCorrupt(error)) throw error
      this.#replaceFile(error)
    }
  }

  /** Messages that wait, those in flight included. */
  get count(): number {
    return this.#count
  }

  /** Id of the newest message ever added; 0 when there was none. */
  get lastId(): number {
    return this.#lastId
  }

  /** The newest damaged outbox, as long as its file is there. */
  get setAside(): SetAside | undefined {
    return this.#setAside
  }

  /**
   * Bytes in use and allowed, room until the oldest must go, what was put in since the start, and how many messages were
   * dropped ever.
   */
  get extent() {
    const { usedBytes, freePages } = this.#pages()
    const { freeBytes, minFreeBytes } = this.#disk
    const roomInFile = Math.max(0, freePages - SPARE_PAGES) * this.#pageBytes
    const roomOnDisk = Math.max(0, freeBytes - minFreeBytes) + roomInFile
    return {
      usedBytes,
      maxBytes: this.#maxBytes,
      roomBytes: Math.max(0, Math.min(this.#maxBytes - usedBytes, roomOnDisk)),
      freeDiskBytes: freeBytes,
      addedBytes: this.#addedBytes,
      droppedCount: this.#droppedCount,
    }
  }

  set limits({ maxMegabytes, minFreeMegabytes = 0 }: OutboxLimits) {
    this.#maxBytes = maxMegabytes * MEGABYTE
    this.#disk.minFreeBytes = minFreeMegabytes * MEGABYTE
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
    this.#guarded(() => {
      try {
        this.#store(readings)
      } catch (error) {
        if (!isDiskFull(error) || !this.#disk.release()) throw error
        this.#database.exec('pragma wal_checkpoint(truncate)')
        this.#store(readings)
      }
    })
    this.#listener()
  }

  /** Messages with `after` < id <= `until`, oldest first; they stay where they are. */
  peek({ after, until, limit }: { after: number; until: number; limit: number }): StoredMessage[] {
    return this.#guarded(() => this.#statements.peek.all(after, until, limit) as unknown as StoredMessage[])
  }

  /** Forgets what the broker has acknowledged. Ids that are gone already are no fault. */
  remove(ids: readonly number[]): void {
    this.#guarded(() => {
      this.#transaction(() => {
        let removed = 0
        for (const id of ids) removed += Number(this.#statements.remove.run(id).changes)
        this.#addToCount(-removed)
      })
    })
  }

  /** Drops and declares all that waits, because somebody wants it so; returns how many. */
  dropAll(): number {
    const { count } = this
    this.#guarded(() => {
      this.#transaction(() => {
        while (this.#count > 0) this.#dropOldest()
      })
    })
    return count
  }

  /**
   * Per machine: every seq ever allocated, what was dropped because the outbox was full, and what still waits here; since
   * the last move, and what was carried along then.
   */
  ledger(): Record<string, MachineLedger> {
    return this.#guarded(() => {
      const machines = this.#declared()
      const oldest = this.#statements.oldest.all(MOST_LISTED_MESSAGES) as unknown as { machine: string; seq: number }[]
      const pending = pendingRanges(machines, oldest, this.#count)
      const dropped = Map.groupBy(this.#droppedRanges(MOST_DECLARED_RANGES), ({ machine }) => machine)
      return Object.fromEntries(
        machines.map(({ slug, first, last, newest, carried }): [string, MachineLedger] => [
          slug,
          {
            ...{ first: newest, last, pending: pending.get(slug)! },
            dropped: (dropped.get(slug) ?? [])
              .filter((range) => range.last >= first)
              .map((range) => [Math.max(range.first, first), range.last]),
            ...(carried && { carried }),
          },
        ]),
      )
    })
  }

  /**
   * The plant that the ledger is told to, by its topic. Another one than before means that the gateway was moved, or enrolled
   * elsewhere: the ledger then tells only of seqs that are allocated from now on, as those of before were declared for
   * machines of the other plant, and of those that wait now and will be sent to this one.
   */
  declareTo(telemetryTopic: string): void {
    this.#guarded(() =>
      this.#transaction(() => {
        const before = this.#statements.place.get() as { telemetryTopic: string } | undefined
        if (before?.telemetryTopic === telemetryTopic) return
        this.#statements.forgetPlace.run()
        this.#statements.keepPlace.run(telemetryTopic)
        if (!before) return
        this.#statements.forgetCarried.run()
        this.#statements.carry.run(MAX_CARRIED_RANGES)
        this.#statements.declareAnew.run()
      }),
    )
  }

  close(): void {
    this.#database.close()
  }

  #use(database: DatabaseSync): void {
    this.#database = database
    this.#statements = mapValues(SQL, (sql) => database.prepare(sql))
    this.#pageBytes = (database.prepare('pragma page_size').get() as { page_size: number }).page_size
    const extent = this.#statements.extent.get() as { count: number; lastId: number; dropped: number }
    this.#count = extent.count
    this.#lastId = extent.lastId
    this.#droppedCount = extent.dropped
  }

  /** Does `work`, and does it again with a new file when it finds the present one damaged. */
  #guarded<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      if (!isCorrupt(error)) throw error
      this.#replaceFile(error)
      return work()
    }
  }

  #replaceFile(error: unknown): void {
    const { database, aside } = replaceOutboxFile(this.#file, this.#database)
    // Ids go on where they were: the publisher still waits for PUBACKs of the old ones.
    database.prepare(`insert into sqlite_sequence (name, seq) values ('message', ?)`).run(this.#lastId)
    this.#use(database)
    this.#setAside = aside
    this.#onSetAside(aside, messageOf(error))
  }

  #store(readings: readonly Reading[]): void {
    let lastId = this.#lastId
    let bytes = 0
    this.#transaction(() => {
      this.#makeRoom()
      for (const { machine, timestamp, values, quality, units } of readings) {
        const { seq } = this.#statements.allocate.get({ machine, now: Date.now() }) as { seq: number }
        const message: TelemetryV1 = {
          ...{ schemaVersion: 1, timestamp, seq, values },
          ...(quality && { quality }),
          ...(units && { units }),
        }
        const payload = JSON.stringify(message)
        lastId = Number(this.#statements.insert.run(machine, seq, payload).lastInsertRowid)
        bytes += this.#bytesInFile(Buffer.byteLength(payload) + machine.length + ROW_FRAME_BYTES)
      }
      this.#addToCount(readings.length)
    })
    this.#lastId = lastId
    this.#addedBytes += bytes
  }

  /** Drops the oldest, a hundredth at a time, until there is room; what is dropped is declared in the same transaction. */
  #makeRoom(): void {
    while (this.#count > 0 && this.#isFull()) this.#dropOldest()
  }

  #isFull(): boolean {
    const isLow = this.#disk.isLow
    const { usedBytes, freePages } = this.#pages()
    if (usedBytes > this.#maxBytes) return true
    return isLow && freePages < SPARE_PAGES && usedBytes > ALWAYS_ALLOWED_BYTES
  }

  #dropOldest(): void {
    const limit = Math.min(MOST_DROPPED_AT_ONCE, Math.ceil(this.#count / 100))
    const oldest = this.#statements.oldest.all(limit) as unknown as { id: number; machine: string; seq: number }[]
    for (const { id, machine, seq } of oldest) {
      this.#statements.remove.run(id)
      const { changes } = this.#statements.extendDropped.run({ machine, seq })
      if (changes === 0) this.#statements.insertDropped.run({ machine, seq })
    }
    // A damaged file may hold fewer than it says.
    this.#addToCount(oldest.length > 0 ? -oldest.length : -this.#count)
    this.#droppedCount += oldest.length
  }

  /** Machines with something to declare: from `first` to `last`, in ranges of which `newest` begins the last one. */
  #declared(): { slug: string; first: number; last: number; newest: number; carried?: Range[] }[] {
    const carriedRanges = this.#statements.carried.all() as unknown as MachineRange[]
    const carriedOf = Map.groupBy(carriedRanges, ({ machine }) => machine)
    const machines = this.#statements.machines.all() as { slug: string; first: number; next: number }[]
    return machines.flatMap(({ slug, first, next }) => {
      const carried = carriedOf.get(slug)?.map((range): Range => [range.first, range.last])
      // None of its own where nothing was read since the file was replaced, or the gateway was moved.
      const ranges = [...(carried ?? []), ...(next > first ? [[first, next - 1] satisfies Range] : [])]
      const newest = ranges.at(-1)
      if (!newest) return []
      return [
        {
          ...{ slug, first: ranges[0]![0], last: newest[1], newest: newest[0] },
          ...(carried && { carried: ranges.slice(0, -1) }),
        },
      ]
    })
  }

  /** The newest, in their order. */
  #droppedRanges(limit: number): MachineRange[] {
    return (this.#statements.dropped.all(limit) as unknown as MachineRange[]).reverse()
  }

  #addToCount(change: number): void {
    this.#statements.addToTally.run(change)
    this.#count += change
  }

  #pages(): { usedBytes: number; freePages: number } {
    const { pages, freePages } = this.#statements.pages.get() as { pages: number; freePages: number }
    return { usedBytes: (pages - freePages) * this.#pageBytes, freePages }
  }

  /** What a row takes: a page holds a whole number of rows (https://sqlite.org/fileformat2.html#b_tree_pages). */
  #bytesInFile(rowBytes: number): number {
    const perPage = Math.floor(this.#pageBytes / rowBytes)
    return perPage > 0 ? this.#pageBytes / perPage : Math.ceil(rowBytes / this.#pageBytes) * this.#pageBytes
  }

  #transaction(work: () => void): void {
    const before = { count: this.#count, dropped: this.#droppedCount }
    this.#database.exec('begin immediate')
    try {
      work()
      this.#database.exec('commit')
    } catch (error) {
      this.#count = before.count
      this.#droppedCount = before.dropped
      // A full disk makes SQLite roll back by itself.
      if (this.#database.isTransaction) this.#database.exec('rollback')
      throw error
    }
  }
}

type Range = [from: number, to: number]

interface MachineRange {
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
  declareAnew: 'update machine set first = next',
  place: 'select telemetry_topic as telemetryTopic from place',
  forgetPlace: 'delete from place',
  keepPlace: 'insert into place values (?)',
  forgetCarried: 'delete from carried',
  // The largest ranges of each machine: seqs without a gap differ from their row numbers by the same.
  carry: `insert into carried select machine, first, last from (
      select machine, min(seq) as first, max(seq) as last,
        row_number() over (partition by machine order by count(*) desc) as nth
      from (select machine, seq, seq - row_number() over (partition by machine order by seq) as run from message)
      group by machine, run
    ) where nth <= ?`,
  carried: 'select machine, first, last from carried order by machine, first',
  machines: 'select slug, first, next from machine',
  addToTally: 'update tally set count = count + ?',
  // sqlite_sequence remembers the newest id after its row is gone.
  extent: `select (select count from tally) as count,
    coalesce((select seq from sqlite_sequence where name = 'message'), 0) as lastId,
    (select coalesce(sum(last - first + 1), 0) from dropped) as dropped`,
  pages: 'select page_count as pages, freelist_count as freePages from pragma_page_count, pragma_freelist_count',
} as const

function mapValues<K extends string, T, U>(record: Record<K, T>, change: (value: T) => U): Record<K, U> {
  return Object.fromEntries(Object.entries<T>(record).map(([key, value]) => [key, change(value)])) as Record<K, U>
}
