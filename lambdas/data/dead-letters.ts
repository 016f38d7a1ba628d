/**
 * What people do with dead letters: the admins of a tenant with its own, and the platform team (`tenantId` null) with those
 * whose topic names no known tenant.
 */
import { type Kysely, sql, type SqlBool } from 'kysely'
import type { DeadLetter, DeadLetterGroup, DeadLetterQuery, PlantAccess } from '../../schemas/api.ts'
import type { Database, Quarantine } from './database.ts'
import { visiblePlant } from './visible-plants.ts'

type Filter = Pick<DeadLetterQuery, 'code' | 'machine' | 'from' | 'to'>

/** Newest first, and by id where the times are equal. */
export async function listDeadLetters(
  db: Kysely<Database>,
  tenantId: string | null,
  access: PlantAccess,
  { code, machine, from, to }: Filter,
  { limit, after }: { limit: number; after: { at: number; id: string } | undefined },
): Promise<DeadLetter[]> {
  const rows = await db
    .selectFrom('quarantine')
    .select(SHOWN)
    .where('tenant_id', tenantId === null ? 'is' : '=', tenantId)
    .where(visiblePlant(access, 'quarantine.plant_id'))
    .$if(code !== undefined, (query) => query.where('code', '=', code!))
    .$if(machine !== undefined, (query) => query.where('machine', '=', machine!))
    .$if(from !== undefined, (query) => query.where('quarantined_at', '>=', from!))
    .$if(to !== undefined, (query) => query.where('quarantined_at', '<', to!))
    .$if(after !== undefined, (query) =>
      query.where(sql<SqlBool>`(quarantined_at, id) < (${after!.at}::int8, ${after!.id}::uuid)`),
    )
    .orderBy('quarantined_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return rows.map(deadLetterOf)
}

/** How many there are of each code, the most first. */
export async function countDeadLetters(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
): Promise<DeadLetterGroup[]> {
  return db
    .selectFrom('quarantine')
    .select(({ fn }) => [
      'code',
      fn.countAll<number>().as('count'),
      fn.count<number>('redrive_at').as('redriving'),
      fn.min('quarantined_at').as('oldestAt'),
      fn.max('quarantined_at').as('newestAt'),
    ])
    .where('tenant_id', '=', tenantId)
    .where(visiblePlant(access, 'quarantine.plant_id'))
    .groupBy('code')
    .orderBy('count', 'desc')
    .orderBy('code')
    .execute()
}

/** What of them is of one plant, or of none that is known. */
export interface RequestedRedrive {
  plantId: string | null
  count: number
  ids: string[]
}

/** Marks them for the Redrive function, and returns how many there are in each plant. One that waits already keeps its turn. */
export function requestRedriveByPlant(
  db: Kysely<Database>,
  tenantId: string | null,
  access: PlantAccess,
  chosen: { ids: string[] } | { code: Quarantine['code'] },
): Promise<RequestedRedrive[]> {
  return (
    db
      .with('marked', (marking) =>
        marking
          .updateTable('quarantine')
          .set({ redrive_at: sql`coalesce(redrive_at, ${Date.now()})` })
          .where('tenant_id', tenantId === null ? 'is' : '=', tenantId)
          .where(visiblePlant(access, 'quarantine.plant_id'))
          .where('ids' in chosen ? sql<SqlBool>`id = any(${chosen.ids}::uuid[])` : sql<SqlBool>`code = ${chosen.code}`)
          .returning(['id', 'plant_id']),
      )
      .selectFrom('marked')
      .select(['plant_id as plantId', (eb) => eb.fn.countAll<number>().as('count')])
      // Of a code there may be a hundred thousand, and nobody wants their ids.
      .select(('ids' in chosen ? sql<string[]>`array_agg(id order by id)` : sql<string[]>`'{}'::uuid[]`).as('ids'))
      .groupBy('plant_id')
      .orderBy('plant_id')
      .execute()
  )
}

/** The same, of all plants together. */
export async function requestRedrive(...asked: Parameters<typeof requestRedriveByPlant>): Promise<number> {
  return (await requestRedriveByPlant(...asked)).reduce((sum, { count }) => sum + count, 0)
}

/** Takes it away for good and returns what it was, and where. Undefined when it is not there, or is back in its queue by now. */
export async function discardDeadLetter(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
  id: string,
): Promise<{ letter: DeadLetter; plantId: string | null } | undefined> {
  const row = await db
    .deleteFrom('quarantine')
    .where('tenant_id', '=', tenantId)
    .where(visiblePlant(access, 'quarantine.plant_id'))
    .where('id', '=', id)
    .returning([...SHOWN, 'plant_id'])
    .executeTakeFirst()
  return row && { letter: deadLetterOf(row), plantId: row.plant_id }
}

/** Not the body, which may be a thousand times as long as the rest. */
const SHOWN = [
  ...(['id', 'code', 'message', 'topic', 'machine', 'thing_name', 'received_at'] as const),
  ...(['quarantined_at', 'redrive_at', 'payload_bytes', 'payload_head'] as const),
] as const

function deadLetterOf(row: Pick<Quarantine, (typeof SHOWN)[number]>): DeadLetter {
  const { id, code, message, topic, machine, payload_bytes: bytes, payload_head: head } = row
  return {
    ...{ id, code, message, topic, machine, bytes },
    thingName: row.thing_name,
    receivedAt: row.received_at,
    quarantinedAt: row.quarantined_at,
    redriveAt: row.redrive_at,
    text: utf8(head, head.length < bytes),
    hex: head.toString('hex'),
  }
}

/** Null when it is not UTF-8. `cut`: the last character may be there in part. */
function utf8(bytes: Buffer, cut: boolean): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: cut })
  } catch {
    return null
  }
}
