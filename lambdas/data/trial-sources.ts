import { type Kysely, sql } from 'kysely'
import type { PlantAccess } from '../../schemas/api.ts'
import type { Database } from './database.ts'
import { visiblePlant } from './visible-plants.ts'

/** Machines in use that a pattern matches, of one plant or of all that the user may see, by slug. */
export async function machinesToTry(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
  { plantId, machine }: { plantId: string | null; machine: string },
): Promise<{ machineId: string; plantId: string; slug: string }[]> {
  return db
    .selectFrom('machines')
    .select(['id as machineId', 'plant_id as plantId', 'slug'])
    .where('tenant_id', '=', tenantId)
    .where(visiblePlant(access, 'machines.plant_id'))
    .where('status', '<>', 'retired')
    .where(sql<boolean>`plant_id = coalesce(${plantId}::uuid, plant_id) and slug like replace(${machine}, '*', '%')`)
    .orderBy('slug')
    .execute()
}

/** The same of gateways, with the changes of their connections that lie in [from, to) or hold at `from`, in order. */
export async function gatewaysToTry(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
  plantId: string | null,
  { from, to }: { from: number; to: number },
): Promise<{ thingName: string; changes: { at: number; connection: string }[] }[]> {
  const { rows } = await sql<{ thingName: string; changes: { at: number; connection: string }[] | null }>`
    select gateways.thing_name as "thingName", (
      select jsonb_agg(jsonb_build_object('at', greatest(c.at, ${from}::int8), 'connection', c.connection) order by c.at)
      from gateway_connections c where c.gateway_id = gateways.id and c.at < ${to} and c.at >= coalesce((
        select max(b.at) from gateway_connections b where b.gateway_id = gateways.id and b.at <= ${from}), 0)) as changes
    from gateways where gateways.tenant_id = ${tenantId} and ${visiblePlant(access, 'gateways.plant_id')}
      and gateways.plant_id = coalesce(${plantId}::uuid, gateways.plant_id)
    order by 1`.execute(db)
  return rows.map(({ thingName, changes }) => ({ thingName, changes: changes ?? [] }))
}
