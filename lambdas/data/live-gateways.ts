import { type Kysely, sql } from 'kysely'
import type { Gateway, PlantAccess } from '../../schemas/api.ts'
import type { LiveGateway } from '../../schemas/live.ts'
import type { Database } from './database.ts'
import { drainEtaSec } from './heartbeats.ts'
import type { PageOf } from './page.ts'
import { visiblePlant } from './visible-plants.ts'

const DAY_MS = 86_400_000

/** Gateways as the API and the live socket give them. Narrow it by plant or name. */
function gatewaysOf(db: Kysely<Database>, tenantId: string) {
  return db
    .selectFrom('gateways')
    .select(['thing_name', 'plant_id', 'lifecycle', 'gateways.created_at', 'gateways.connection', 'gateways.reason'])
    .select(['last_seen_at', 'clock_skew_ms', 'status', 'heartbeats'])
    .where('gateways.tenant_id', '=', tenantId)
}

/** The same with what the history of each gateway's connection tells of the last day. */
function gatewaysWithLastDayOf(db: Kysely<Database>, tenantId: string) {
  const dayAgo = Date.now() - DAY_MS
  return gatewaysOf(db, tenantId)
    .innerJoinLateral(
      // Without a session's id each connection counts as one.
      sql<{ since: number | null; sessions: number; restarts: number }>`(
        select max(c.at) as since, count(*) filter (where c.restarted and c.at >= ${dayAgo}) as restarts,
          count(distinct coalesce(c.session_id, c.at::text)) filter (where c.connection = 'online') as sessions
        from gateway_connections c
        where c.tenant_id = gateways.tenant_id and c.gateway_id = gateways.id and c.at >= coalesce((
          select max(b.at) from gateway_connections b where b.gateway_id = gateways.id and b.at <= ${dayAgo}), 0)
      )`.as('last_day'),
      (join) => join.onTrue(),
    )
    .select(['last_day.since', 'last_day.sessions', 'last_day.restarts'])
}

type LiveRow = Awaited<ReturnType<ReturnType<typeof gatewaysOf>['executeTakeFirstOrThrow']>>
type Row = Awaited<ReturnType<ReturnType<typeof gatewaysWithLastDayOf>['executeTakeFirstOrThrow']>>

/** Version, uptime and health are those of the last heartbeat, also when the gateway is offline now. */
function liveGatewayOf(row: LiveRow): LiveGateway {
  return {
    thingName: row.thing_name,
    connection: row.connection,
    reason: row.reason,
    lastSeenAt: row.last_seen_at,
    clockSkewMs: row.clock_skew_ms,
    drainEtaSec: row.connection === 'online' ? drainEtaSec(row.heartbeats) : null,
    version: row.status?.gateway.version ?? null,
    uptimeSec: row.status?.gateway.uptimeSec ?? null,
    health: row.status?.health ?? null,
  }
}

function gatewayOf(row: Row): Gateway {
  return {
    ...liveGatewayOf(row),
    plantId: row.plant_id,
    lifecycle: row.lifecycle,
    createdAt: row.created_at,
    connectionSince: row.since,
    sessionsLastDay: row.sessions,
    restartsLastDay: row.restarts,
  }
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
  const rows = await gatewaysWithLastDayOf(db, tenantId)
    .where(visiblePlant(access, 'gateways.plant_id'))
    .$if(plantId !== undefined, (query) => query.where('plant_id', '=', plantId!))
    .$if(after !== undefined, (query) => query.where('thing_name', '>', after!))
    .orderBy('thing_name')
    .limit(limit)
    .execute()
  return rows.map(gatewayOf)
}

/** Undefined when there is none, or none in a plant that the user may see. `gatewayId` is not for the API's callers. */
export async function findGateway(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
  thingName: string,
): Promise<{ gatewayId: string; gateway: Gateway } | undefined> {
  const row = await gatewaysWithLastDayOf(db, tenantId)
    .select('gateways.id')
    .where('thing_name', '=', thingName)
    .where(visiblePlant(access, 'gateways.plant_id'))
    .executeTakeFirst()
  return row && { gatewayId: row.id, gateway: gatewayOf(row) }
}
