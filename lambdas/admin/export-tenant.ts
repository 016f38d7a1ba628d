/**
 * A tenant's data, a page of a table per call: an answer of a function has at most 6 MB, and the command line writes the
 * files. Tables whose key begins with a machine are read machine by machine, as their indexes are.
 */
import { gzipSync } from 'node:zlib'
import * as v from 'valibot'
import type { AdminAnswer } from '../../schemas/admin.ts'
import { keyOf, machineIdsOf, readRows, tablesToExport } from '../data/tenant-rows.ts'
import { findTenant } from '../data/tenants.ts'
import { type Command, noTenant, refused, type Services } from './services.ts'

const STEP_MS = 10_000
/** At first: a dead letter may have a megabyte. */
const ROWS_AT_ONCE = 16
const MAX_ROWS_AT_ONCE = 16_000
/** Compressed. With one more page of MAX_PAGE_BYTES, in base64, it stays below 6 MB. */
const ENOUGH_BYTES = 1_000_000
const MAX_PAGE_BYTES = 3_000_000
const SMALL_PAGE_CHARACTERS = 1_000_000

const NOBODY = '00000000-0000-0000-0000-000000000000'
const Place = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({ machineId: v.nullable(v.pipe(v.string(), v.uuid())), after: v.nullable(v.array(v.string())) }),
)
type Place = v.InferOutput<typeof Place>

export async function exportTenant(
  { db }: Services,
  { slug, table: name, cursor }: Command<'tenant export'>,
): Promise<AdminAnswer> {
  const tenant = await findTenant(db, slug)
  if (tenant === undefined) return noTenant(slug)
  const tables = await tablesToExport(db)
  if (name === undefined) return { status: 'tables', message: `${slug} has ${tables.length} tables`, tables }
  const table = tables.find((one) => one.name === name)
  if (table === undefined) return refused(`there is no table ${name} to export`)

  const key = await keyOf(db, name)
  const byMachine = key[0] === 'machine_id'
  const begin: Place = { machineId: null, after: null }
  let place: Place | undefined = cursor === undefined ? begin : v.parse(Place, cursor)
  const machineIds = byMachine ? await machineIdsOf(db, tenant.id, place.machineId ?? NOBODY) : []
  if (byMachine) place = place.machineId === null ? startOf(machineIds) : place

  const pages: Buffer[] = []
  let [count, bytes, limit] = [0, 0, ROWS_AT_ONCE]
  const until = Date.now() + STEP_MS
  while (place !== undefined && bytes < ENOUGH_BYTES && Date.now() < until) {
    const rows = await readRows(db, tenant.id, name, { ...place, limit })
    const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('')
    const page = gzipSync(text)
    if (page.length > MAX_PAGE_BYTES && rows.length > 1) {
      limit = Math.ceil(rows.length / 4)
      continue
    }
    pages.push(page)
    bytes += page.length
    count += rows.length
    const last = rows.at(-1)
    const keyRest = byMachine ? key.slice(1) : key
    const isFull = rows.length === limit
    // A query costs more than its rows where these are small.
    if (isFull && text.length < SMALL_PAGE_CHARACTERS) limit = Math.min(limit * 2, MAX_ROWS_AT_ONCE)
    if (last !== undefined && isFull && keyRest.length > 0)
      place = { ...place, after: keyRest.map((column) => String(last[column])) }
    else place = byMachine ? startOf(machineIds.slice(machineIds.indexOf(place.machineId!) + 1)) : undefined
  }
  const rows = Buffer.concat(pages).toString('base64')
  return {
    status: 'rows',
    message: `${count} rows of ${name}`,
    rows,
    count,
    ...(place && { cursor: JSON.stringify(place) }),
  }
}

const startOf = ([machineId]: string[]): Place | undefined =>
  machineId === undefined ? undefined : { machineId, after: null }
