import { type Kysely, sql } from 'kysely'
import type { Gateway, PlantAccess } from '../../schemas/api.ts'
import type { LiveGateway } from '../../schemas/live.ts'
import type { Database } from './database.ts'
import type { PageOf } from './page.ts'
import { liveGatewayOf } from './update-presence.ts'
import { visiblePlant } from './visible-plants.ts'

const DAY_MS = 86_400_000

/** Gateways as the API and the live socket give them. Narrow it by plant or name. */
function gatewaysOf(db: Kysely<Database>, tenantId: string) {
  return db
    .selectFrom('gateways')
    .select(['thing_name as thingName', 'plant_id as plantId', 'lifecycle', 'created_at as createdAt'])
    .select(['connection', 'reason', 'last_seen_at as lastSeenAt', 'clock_skew_ms as clockSkewMs'])
    .select(['status', 'heartbeats'])
    .where('gateways.tenant_id', '=', tenantId)
}

/** The same with its certificate's end, and what the history of each gateway's connection tells of the last day. */
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
    .select((eb) =>
      eb
        .selectFrom('gateway_certificates as c')
        .select((certificate) => certificate.fn.min('c.expires_at').as('expiresAt'))
        .whereRef('c.tenant_id', '=', 'gateways.tenant_id')
        .whereRef('c.gateway_id', '=', 'gateways.id')
        .where('c.state', '=', 'valid')
        .as('certificateExpiresAt'),
    )
}

type Row = Awaited<ReturnType<ReturnType<typeof gatewaysWithLastDayOf>['executeTakeFirstOrThrow']>>

function gatewayOf(row: Row): Gateway {
  const { plantId, lifecycle, createdAt, certificateExpiresAt, since, sessions, restarts } = row
  return {
    ...liveGatewayOf(row),
    ...{ plantId, lifecycle, createdAt, certificateExpiresAt },
    connectionSince: since,
    sessionsLastDay: sessions,
    restartsLastDay: restarts,
    outboxSetAside: row.status?.outboxSetAside ?? null,
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
