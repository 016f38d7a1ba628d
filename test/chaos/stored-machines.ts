import type pg from 'pg'
import type { RedisClientType } from 'redis'
import type { Rollups } from '../../lambdas/data/database.ts'
import type { LiveMachine } from '../../schemas/live.ts'
import type { TestPlant } from '../helpers/plant.ts'
import type { StoredReading } from './newest-state.ts'

/** All that the system holds of one machine. */
export interface StoredMachine {
  id: string
  rows: StoredReading[]
  /** Seqs whose bit is set. */
  ledger: Set<number>
  repeats: number
  state: Record<string, unknown> | undefined
  revision: unknown
  /** In the order of (tag, hour, kind). */
  rollups: Rollups[]
  cached: (LiveMachine & { revision: number }) | undefined
}

type OfMachine<Row> = Row & { slug: string }
type NullableQuality = Omit<StoredReading, 'quality'> & { quality: NonNullable<StoredReading['quality']> | null }

/** Machines of a plant by slug, as Postgres and Redis have them. */
export async function storedMachines(
  database: pg.Pool,
  redis: Pick<RedisClientType, 'hGetAll'>,
  { tenantId, plantId, tenant, plant }: TestPlant,
): Promise<Map<string, StoredMachine>> {
  const ask = async <Row>(columns: string, table: string, order = '') =>
    (
      await database.query<OfMachine<Row>>(
        `select m.slug, ${columns} from machines m join ${table} x on x.machine_id = m.id and x.tenant_id = m.tenant_id
         where m.plant_id = $1 and x.tenant_id = $2 ${order}`,
        [plantId, tenantId],
      )
    ).rows
  const { rows: machines } = await database.query<{ id: string; slug: string }>(
    'select id, slug from machines where plant_id = $1',
    [plantId],
  )
  const stored = new Map<string, StoredMachine>(
    machines.map(({ id, slug }) => [
      slug,
      {
        id,
        rows: [],
        ledger: new Set(),
        repeats: 0,
        state: undefined,
        revision: undefined,
        rollups: [],
        cached: undefined,
      },
    ]),
  )
  const readings = await ask<NullableQuality>(
    'x.ts as timestamp, x.seq, x.received_at as "receivedAt", x.values, x.quality',
    'telemetry_events',
  )
  for (const { slug, quality, ...row } of readings) stored.get(slug)!.rows.push({ ...row, ...(quality && { quality }) })
  const blocks = await ask<{ block: number; received: string; repeats: number }>(
    'x.block, x.received::text as received, x.repeats',
    'machine_ledger',
  )
  for (const { slug, block, received, repeats } of blocks) {
    const machine = stored.get(slug)!
    for (const bit of setBits(received)) machine.ledger.add(block * 1024 + bit)
    machine.repeats += repeats
  }
  const states = await ask<Record<string, unknown>>(
    'x.ts, x.seq, x.received_at, x.last_seen_at, x.values, x.quality, x.older_tags, x.revision',
    'machine_state',
  )
  for (const { slug, revision, ...state } of states) Object.assign(stored.get(slug)!, { state, revision })
  const rollups = await ask<Rollups>('x.*', 'rollups', 'order by x.tag, x.hour, x.kind')
  for (const { slug, ...rollup } of rollups) stored.get(slug)!.rollups.push(rollup)
  for (const [slug, text] of Object.entries(await redis.hGetAll(`state:${tenant}:${plant}`))) {
    const machine = stored.get(slug)
    if (machine) machine.cached = JSON.parse(text) as NonNullable<StoredMachine['cached']>
  }
  return stored
}

/** Bit 0 of a Postgres bit string is its leftmost character. */
function setBits(bits: string): number[] {
  const set = []
  for (let bit = bits.indexOf('1'); bit !== -1; bit = bits.indexOf('1', bit + 1)) set.push(bit)
  return set
}
