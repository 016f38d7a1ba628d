import { type Kysely, sql } from 'kysely'
import type { Found, PlantAccess } from '../../schemas/api.ts'
import type { Database } from './database.ts'
import { visiblePlant } from './visible-plants.ts'

/** What has the text in its name or slug, of the plants that the user may see: what begins with it first, plants before machines. */
export async function findByText(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
  text: string,
  limit: number,
): Promise<Found[]> {
  const literal = text.replace(/[\\%_]/g, '\\$&')
  const { rows } = await sql<Found>`
    select f.kind, f.slug, f.name, json_build_object('slug', plants.slug, 'name', plants.name) as plant
    from (
      select 'plant' as kind, 1 as rank, p.id as plant_id, p.slug, p.name from plants p where p.tenant_id = ${tenantId}
      union all
      select 'machine', 2, m.plant_id, m.slug, m.name from machines m
      where m.tenant_id = ${tenantId} and m.status <> 'retired'
      union all
      select 'gateway', 3, g.plant_id, g.thing_name, null from gateways g where g.tenant_id = ${tenantId}
    ) f
    join plants on plants.id = f.plant_id and plants.tenant_id = ${tenantId}
    where ${visiblePlant(access, 'plants.id')} and (f.slug ilike ${`%${literal}%`} or f.name ilike ${`%${literal}%`})
    order by not (f.slug ilike ${`${literal}%`} or coalesce(f.name ilike ${`${literal}%`}, false)), f.rank,
      length(f.slug), f.slug
    limit ${limit}`.execute(db)
  return rows
}
