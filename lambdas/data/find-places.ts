import { type Kysely, sql } from 'kysely'
import type { Database } from './database.ts'

export interface PlaceRow {
  tenant: string
  tenantId: string
  /** Null when the tenant has none of the plants asked for. */
  plant: string | null
  plantId: string | null
  province: string | null
}

/** Tenants (disabled ones left out) with those of their plants that are named. */
export async function findPlaces(db: Kysely<Database>, tenants: string[], plants: string[]): Promise<PlaceRow[]> {
  const { rows } = await sql<PlaceRow>`
    select t.slug as tenant, t.id as "tenantId", p.slug as plant, p.id as "plantId", p.province
    from tenants t left join plants p on p.tenant_id = t.id and p.slug = any(${plants})
    where t.slug = any(${tenants}) and t.disabled_at is null`.execute(db)
  return rows
}

/** Gateways by thingName, of all tenants: a gateway that uses another's topic must be told from an unknown one. */
export function findGateways(db: Kysely<Database>, thingNames: string[]) {
  return db
    .selectFrom('gateways')
    .select(['id', 'thing_name', 'plant_id', 'previous_plant_id', 'moved_at'])
    .where('thing_name', '=', sql<string>`any(${thingNames})`)
    .execute()
}
