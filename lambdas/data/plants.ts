import type { Kysely, Transaction } from 'kysely'
import type { Plant, PlantAccess } from '../../schemas/api.ts'
import { Condition } from '../../schemas/conditions.ts'
import type { Database } from './database.ts'
import { machineConditions } from './machine-conditions.ts'
import type { PageOf } from './page.ts'
import { visiblePlant } from './visible-plants.ts'

/** A tenant's plant with what topics and names are made of. */
export interface PlantAddress {
  plantId: string
  slug: string
  province: string
}

const NONE = Object.fromEntries(Condition.options.map((each) => [each, 0])) as Record<Condition, number>

function plantsOf(db: Transaction<Database>, tenantId: string) {
  return db
    .selectFrom('plants')
    .select(['plants.id', 'plants.slug', 'plants.province', 'plants.name', 'plants.time_zone'])
    .select((eb) => [
      machineConditions(tenantId, Date.now()).as('conditions'),
      eb
        .selectFrom('gateways')
        .whereRef('gateways.plant_id', '=', 'plants.id')
        .select((count) => count.fn.countAll<number>().as('n'))
        .as('gateways'),
      eb
        .selectFrom('gateways')
        .whereRef('gateways.plant_id', '=', 'plants.id')
        .where('gateways.connection', '=', 'online')
        .select((count) => count.fn.countAll<number>().as('n'))
        .as('gateways_online'),
      eb
        .selectFrom('gateways')
        .whereRef('gateways.plant_id', '=', 'plants.id')
        .where('gateways.connection', '=', 'unknown')
        .select((count) => count.fn.countAll<number>().as('n'))
        .as('gateways_unknown'),
    ])
    .where('plants.tenant_id', '=', tenantId)
}

type Row = Awaited<ReturnType<ReturnType<typeof plantsOf>['executeTakeFirstOrThrow']>>

function plantOf(row: Row): Plant {
  const conditions = { ...NONE, ...row.conditions }
  return {
    plantId: row.id,
    slug: row.slug,
    province: row.province,
    name: row.name,
    timeZone: row.time_zone,
    counts: {
      machines: Object.values(conditions).reduce((sum, count) => sum + count, 0),
      conditions,
      gateways: row.gateways ?? 0,
      gatewaysOnline: row.gateways_online ?? 0,
      gatewaysUnknown: row.gateways_unknown ?? 0,
    },
  }
}

/** By slug. */
export async function listPlants(
  db: Transaction<Database>,
  tenantId: string,
  access: PlantAccess,
  { limit, after }: PageOf,
): Promise<Plant[]> {
  const rows = await plantsOf(db, tenantId)
    .where(visiblePlant(access, 'plants.id'))
    .$if(after !== undefined, (query) => query.where('plants.slug', '>', after!))
    .orderBy('plants.slug')
    .limit(limit)
    .execute()
  return rows.map(plantOf)
}

/** That the user may see it has been checked. */
export async function readPlant(db: Transaction<Database>, tenantId: string, plantId: string): Promise<Plant> {
  return plantOf(await plantsOf(db, tenantId).where('plants.id', '=', plantId).executeTakeFirstOrThrow())
}

/** Undefined when there is none, or none that these may see. */
export async function findPlant(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
  plantId: string,
): Promise<PlantAddress | undefined> {
  const row = await db
    .selectFrom('plants')
    .select(['plants.id', 'plants.slug', 'plants.province'])
    .where('plants.tenant_id', '=', tenantId)
    .where('plants.id', '=', plantId)
    .where(visiblePlant(access, 'plants.id'))
    .executeTakeFirst()
  return row && { plantId: row.id, slug: row.slug, province: row.province }
}
