/**
 * Rolls up one hour of one machine from its raw readings, however often it is asked to: the row is made anew each time.
 *
 * No reading is ever missing for good, because (1) whoever commits a reading of an hour that is over commits a queue row
 * with it, (2) queue rows are deleted by a statement older than the one that reads the readings (READ COMMITTED: each
 * statement has its own snapshot), so a reading that is not seen has left a row that is not deleted, and (3) an advisory
 * lock on (machine, hour), held to commit, keeps a second job from storing what it had read before. Row locks on the
 * queue would not do: two jobs could hold two rows of the same hour. A crash gives back rows and lock.
 */
import { type Kysely, sql, type Transaction } from 'kysely'
import type { Database, RollupQueue, Rollups } from './database.ts'
import { markForArchive } from './archive-queue.ts'
import { pagesOfReadings } from './read-readings.ts'
import { HOUR_MS } from './rollup-queue.ts'
import { type Cell, emptyCell, mergeCell, TagSeries, type TextChanges } from './tag-series.ts'

const MINUTE_MS = 60_000

/** Of several changes of a string within a second the last is kept: an hour has at most 3,600. */
const THIN_MS = 1000

/** Rows of one INSERT, far from Postgres' 65,535 parameters. */
const ROWS_AT_ONCE = 500

/**
 * Takes one (machine, hour) from the queue and rolls it up: any of the newest ones, so that one which fails each time does
 * not keep back the others. False when there was none to take.
 */
export async function rollUpNext(db: Kysely<Database>): Promise<boolean> {
  return db.transaction().execute(async (transaction) => {
    const taken = await takeHour(transaction)
    if (taken === undefined) return false
    await markForArchive(transaction, taken)
    const rows = await rollUp(transaction, taken)
    for (let start = 0; start < rows.length; start += ROWS_AT_ONCE)
      await store(transaction, rows.slice(start, start + ROWS_AT_ONCE), taken.isDropped)
    return true
  })
}

interface TakenHour extends RollupQueue {
  /** Of a day that was dropped once: `droppedBefore` in partitions.ts. */
  isDropped: boolean
}

async function takeHour(transaction: Transaction<Database>): Promise<TakenHour | undefined> {
  const { rows } = await sql<TakenHour>`
    with newest as materialized (
      select c.* from (select distinct hour, machine_id from rollup_queue order by hour desc, machine_id desc limit 64) c
      order by random()
    ), free as materialized (
      select n.hour, n.machine_id from newest n
      where pg_try_advisory_xact_lock(7004, uuid_hash(n.machine_id) # hashint8(n.hour)) limit 1
    )
    delete from rollup_queue q using free f where q.hour = f.hour and q.machine_id = f.machine_id
    returning q.tenant_id, q.machine_id, q.hour, q.hour / 24 < (select dropped_before from rollup_progress) as "isDropped"`.execute(
    transaction,
  )
  return rows[0]
}

async function rollUp(db: Transaction<Database>, { tenant_id, machine_id, hour }: RollupQueue): Promise<Rollups[]> {
  const range = { tenantId: tenant_id, machineId: machine_id, from: hour * HOUR_MS, to: (hour + 1) * HOUR_MS }
  const tags = new Map<string, TagSeries>()
  for await (const page of pagesOfReadings(db, range)) {
    for (const { ts, values, quality } of page) {
      for (const [tag, value] of Object.entries(values)) {
        let series = tags.get(tag)
        if (!series) tags.set(tag, (series = new TagSeries({ cellMs: MINUTE_MS, thinMs: THIN_MS })))
        const isBad = quality !== null && Object.hasOwn(quality, tag) && quality[tag] === 'bad'
        series.add(ts, isBad ? null : value)
      }
    }
  }
  return [...tags].flatMap(([tag, series]) => {
    series.end(range.to)
    const key = { tenant_id, machine_id, tag, hour }
    return [
      ...(series.bad.size > 0 ? [{ ...key, ...badRow(series.bad, range.from) }] : []),
      ...(series.number.size > 0 ? [{ ...key, ...cellsRow('number', series.number, range.from) }] : []),
      ...(series.boolean.size > 0 ? [{ ...key, ...cellsRow('boolean', series.boolean, range.from) }] : []),
      ...(series.text.count > 0 ? [{ ...key, ...changesRow(series.text, range.from) }] : []),
    ]
  })
}

type Row = Omit<Rollups, 'tenant_id' | 'machine_id' | 'tag' | 'hour'>

function cellsRow(kind: 'number' | 'boolean', cells: Map<number, Cell>, from: number): Row {
  const minutes = Array.from({ length: HOUR_MS / MINUTE_MS }, (_, minute) => cells.get(from + minute * MINUTE_MS))
  const hour = emptyCell()
  for (const cell of minutes) if (cell) mergeCell(hour, cell)
  const ofMinutes = (what: keyof Cell) => minutes.map((cell) => cell?.[what] ?? null)
  return {
    kind,
    count: hour.count,
    ...{ min: hour.min, max: hour.max, sum: hour.sum, last: hour.last },
    known_ms: kind === 'boolean' ? hour.weight : null,
    minute_count: minutes.map((cell) => cell?.count ?? 0),
    minute_min: ofMinutes('min'),
    minute_max: ofMinutes('max'),
    minute_sum: ofMinutes('sum'),
    minute_last: ofMinutes('last'),
    minute_known_ms: kind === 'boolean' ? ofMinutes('weight') : null,
    ...{ change_ms: null, change_to: null, last_ms: null },
  }
}

const nothingOfNumbers = {
  ...{ min: null, max: null, sum: null, last: null, known_ms: null },
  ...{ minute_min: null, minute_max: null, minute_sum: null, minute_last: null, minute_known_ms: null },
}

function badRow(cells: Map<number, number>, from: number): Row {
  return {
    ...{ kind: 'bad', ...nothingOfNumbers, change_ms: null, change_to: null, last_ms: null },
    count: [...cells.values()].reduce((sum, count) => sum + count, 0),
    minute_count: Array.from({ length: HOUR_MS / MINUTE_MS }, (_, minute) => cells.get(from + minute * MINUTE_MS) ?? 0),
  }
}

function changesRow({ count, changes, lastAt }: TextChanges, from: number): Row {
  return {
    ...{ kind: 'string', count, ...nothingOfNumbers, minute_count: null },
    change_ms: changes.map(([at]) => at - from),
    change_to: changes.map(([, value]) => value),
    last_ms: lastAt! - from,
  }
}

/** Of a day that was dropped what there is stays: the readings that it was made of are gone. */
async function store(transaction: Transaction<Database>, rows: Rollups[], isDropped: boolean): Promise<void> {
  const columns = Object.keys(rows[0]!) as (keyof Rollups)[]
  const key = ['machine_id', 'tag', 'hour', 'kind'] as const
  await transaction
    .insertInto('rollups')
    .values(rows)
    .onConflict((conflict) =>
      isDropped
        ? conflict.columns(key).doNothing()
        : conflict
            .columns(key)
            .doUpdateSet((eb) => Object.fromEntries(columns.map((name) => [name, eb.ref(`excluded.${name}`)]))),
    )
    .execute()
}
