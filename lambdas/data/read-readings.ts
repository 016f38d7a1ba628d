import { type Kysely, sql } from 'kysely'
import type { Quality, Scalar } from '../../schemas/telemetry.ts'
import type { Database } from './database.ts'

/** Raw readings held in memory at once. A whole one may have 128 KB, a tag's value 256 characters. */
const PAGE = { readings: 1000, values: 5000 }

export interface ReadingsOf {
  tenantId: string
  machineId: string
  /** Epoch ms; `to` is not included. */
  from: number
  to: number
}

export interface StoredReading<Values> {
  ts: number
  seq: number
  values: Values
  quality: Record<string, Quality> | null
}

/** All raw readings of a machine, in the order of (ts, seq), a page at a time. */
export async function* pagesOfReadings(
  db: Kysely<Database>,
  { tenantId, machineId, from, to }: ReadingsOf,
): AsyncGenerator<StoredReading<Record<string, Scalar>>[]> {
  yield* pages(PAGE.readings, from, async (ts, seq) => {
    const { rows } = await sql<StoredReading<Record<string, Scalar>>>`
      select ts, seq, values, quality from telemetry_events
      where machine_id = ${machineId} and tenant_id = ${tenantId}
        and ts >= ${ts} and ts < ${to} and (ts, seq) > (${ts}, ${seq})
      order by ts, seq limit ${PAGE.readings}`.execute(db)
    return rows
  })
}

export interface TagReading {
  ts: number
  seq: number
  /** Null when it was no value: not read, or of bad quality. */
  value: Scalar
}

/** The same of one tag. */
export async function* pagesOfTag(
  db: Kysely<Database>,
  tag: string,
  { tenantId, machineId, from, to }: ReadingsOf,
): AsyncGenerator<TagReading[]> {
  yield* pages(PAGE.values, from, async (ts, seq) => {
    const { rows } = await sql<TagReading>`
      select ts, seq, case when quality ->> ${tag} = 'bad' then 'null' else values -> ${tag} end as value
      from telemetry_events
      where machine_id = ${machineId} and tenant_id = ${tenantId}
        and ts >= ${ts} and ts < ${to} and (ts, seq) > (${ts}, ${seq}) and values ? ${tag}
      order by ts, seq limit ${PAGE.values}`.execute(db)
    return rows
  })
}

async function* pages<Row extends { ts: number; seq: number }>(
  size: number,
  from: number,
  read: (ts: number, seq: number) => Promise<Row[]>,
): AsyncGenerator<Row[]> {
  let [ts, seq] = [from, -1]
  for (;;) {
    const rows = await read(ts, seq)
    yield rows
    const last = rows.at(-1)
    if (!last || rows.length < size) return
    ;({ ts, seq } = last)
  }
}
