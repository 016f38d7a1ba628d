import { type Kysely, sql } from 'kysely'
import type { Lifecycle } from '../../schemas/api.ts'
import type { ConnectionState, LiveGateway } from '../../schemas/live.ts'
import type { OnlineStatusV1 } from '../../schemas/status.ts'
import type { Database } from './database.ts'
import { type ConnectionChange, recordConnections } from './gateway-connections.ts'
import { drainEtaSec, type Heartbeat } from './heartbeats.ts'

/** What the table of gateways says about a gateway's connection. */
export interface Presence {
  gatewayId: string
  thingName: string
  lifecycle: Lifecycle
  connection: ConnectionState
  reason: string | null
  sessionId: string | null
  /** Broker's clock at the last status that the gateway or its will has sent. */
  statusAt: number | null
  lastSeenAt: number | null
  /** Median of `heartbeats`. */
  clockSkewMs: number | null
  /** The last heartbeat. */
  status: OnlineStatusV1 | null
  /** What is kept of the newest ten, oldest first. */
  heartbeats: Heartbeat[]
}

/** Of a table, or whatever has its columns, that the query names `g`. */
export const presenceColumns = sql`g.id as "gatewayId", g.thing_name as "thingName", g.lifecycle, g.connection,
  g.reason, g.session_id as "sessionId", g.status_at as "statusAt", g.last_seen_at as "lastSeenAt",
  g.clock_skew_ms as "clockSkewMs", g.status, g.heartbeats`

/** The presence after, the very same object when nothing changes, and what belongs into the history, oldest first. */
export interface PresenceUpdate {
  after: Presence
  connections: ConnectionChange[]
}

/**
 * Changes the presence of gateways in one transaction, with their rows locked (ascending, so that two consumers never
 * wait for each other). `change` is asked for each gateway that exists. Returns those that have changed.
 */
export async function updatePresence(
  db: Kysely<Database>,
  gatewayIds: string[],
  change: (before: Presence) => PresenceUpdate,
): Promise<Presence[]> {
  return db.transaction().execute(async (transaction) => {
    const { rows } = await sql<Presence>`
      select ${presenceColumns} from gateways g where g.id = any(${gatewayIds}::uuid[])
      order by g.id for no key update`.execute(transaction)
    const updates = rows
      .map((before) => ({ before, ...change(before) }))
      .filter(({ before, after }) => after !== before)
    if (updates.length === 0) return []
    const changed = updates.map(({ after }) => after)
    await sql`
      update gateways g set lifecycle = c.lifecycle, connection = c.connection, reason = c.reason,
        session_id = c."sessionId", status_at = c."statusAt", last_seen_at = c."lastSeenAt",
        clock_skew_ms = c."clockSkewMs", status = c.status, heartbeats = c.heartbeats
      from jsonb_to_recordset(${JSON.stringify(changed)}::jsonb) as c("gatewayId" uuid, lifecycle text, connection text,
        reason text, "sessionId" text, "statusAt" int8, "lastSeenAt" int8, "clockSkewMs" int8, status jsonb,
        heartbeats jsonb)
      where g.id = c."gatewayId"`.execute(transaction)
    await recordConnections(
      transaction,
      updates.flatMap(({ connections }) => connections),
    )
    return changed
  })
}

type Shown = Pick<
  Presence,
  'thingName' | 'connection' | 'reason' | 'lastSeenAt' | 'clockSkewMs' | 'status' | 'heartbeats'
>

/** As browsers see it. Version, uptime and health are those of the last heartbeat, also when it is offline now. */
export function liveGatewayOf(presence: Shown): LiveGateway {
  const { thingName, connection, reason, lastSeenAt, clockSkewMs, status, heartbeats } = presence
  return {
    ...{ thingName, connection, reason, lastSeenAt, clockSkewMs },
    drainEtaSec: connection === 'online' ? drainEtaSec(heartbeats) : null,
    version: status?.gateway.version ?? null,
    uptimeSec: status?.gateway.uptimeSec ?? null,
    health: status?.health ?? null,
  }
}
