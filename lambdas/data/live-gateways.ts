import type { Kysely } from 'kysely'
import type { Gateway, PlantAccess } from '../../schemas/api.ts'
import type { LiveGateway } from '../../schemas/live.ts'
import type { Database } from './database.ts'
import type { PageOf } from './page.ts'
import { visiblePlant } from './visible-plants.ts'

/** Gateways as the API and the live socket give them. Narrow it by plant or id. */
function gatewaysOf(db: Kysely<Database>, tenantId: string) {
  return db
    .selectFrom('gateways')
    .select(['thing_name', 'plant_id', 'lifecycle', 'created_at', 'connection', 'reason'])
    .select(['last_seen_at', 'clock_skew_ms', 'status'])
    .where('tenant_id', '=', tenantId)
}

type Row = Awaited<ReturnType<ReturnType<typeof gatewaysOf>['executeTakeFirstOrThrow']>>

/** Version, uptime and health are those of the last heartbeat, also when the gateway is offline now. */
function liveGatewayOf(row: Row): LiveGateway {
  return {
    thingName: row.thing_name,
    connection: row.connection,
    reason: row.reason,
    lastSeenAt: row.last_seen_at,
    clockSkewMs: row.clock_skew_ms,
    version: row.status?.gateway.version ?? null,
    uptimeSec: row.status?.gateway.uptimeSec ?? null,
    health: row.status?.health ?? null,
  }
}

function gatewayOf(row: Row): Gateway {
  return { ...liveGatewayOf(row), plantId: row.plant_id, lifecycle: row.lifecycle, createdAt: row.created_at }
}

/** All of a plant, by name. */
export async function liveGateways(db: Kysely<Database>, tenantId: string, plantId: string): Promise<LiveGateway[]> {
  const rows = await gatewaysOf(db, tenantId).where('plant_id', '=', plantId).orderBy('thing_name').execute()
  return rows.map(liveGatewayOf)
}

/** By name, of one plant or of all that the user may see. */
export async function listGateways(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
  plantId: string | undefined,
  { limit, after }: PageOf,
): Promise<Gateway[]> {
  const rows = await gatewaysOf(db, tenantId)
    .where(visiblePlant(access, 'gateways.plant_id'))
    .$if(plantId !== undefined, (query) => query.where('plant_id', '=', plantId!))
    .$if(after !== undefined, (query) => query.where('thing_name', '>', after!))
    .orderBy('thing_name')
    .limit(limit)
    .execute()
  return rows.map(gatewayOf)
}

export async function readGateway(db: Kysely<Database>, tenantId: string, gatewayId: string): Promise<Gateway> {
  return gatewayOf(await gatewaysOf(db, tenantId).where('id', '=', gatewayId).executeTakeFirstOrThrow())
}
