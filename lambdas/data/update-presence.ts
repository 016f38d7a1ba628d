import { type Kysely, sql } from 'kysely'
import type { LiveGateway } from '../../schemas/live.ts'
import type { OnlineStatusV1 } from '../../schemas/status.ts'
import type { Database } from './database.ts'

/** What the table of gateways says about a gateway's connection. */
export interface Presence {
  gatewayId: string
  thingName: string
  lifecycle: 'created' | 'enrolled' | 'active' | 'revoked'
  connection: 'never' | 'online' | 'offline'
  reason: string | null
  sessionId: string | null
  /** Broker's clock at the status shown. */
  statusAt: number | null
  lastSeenAt: number | null
  clockSkewMs: number | null
  /** The last heartbeat. */
  status: OnlineStatusV1 | null
}

/**
 * Changes the presence of gateways in one transaction, with their rows locked (ascending, so that two consumers never
 * wait for each other). `change` gives the presence after, or the very same object when nothing changes.
 * Returns those that have changed.
 */
export async function updatePresence(
  db: Kysely<Database>,
  gatewayIds: string[],
  change: (before: Presence) => Presence,
): Promise<Presence[]> {
  return db.transaction().execute(async (transaction) => {
    const { rows } = await sql<Presence>`
      select id as "gatewayId", thing_name as "thingName", lifecycle, connection, reason, session_id as "sessionId",
        status_at as "statusAt", last_seen_at as "lastSeenAt", clock_skew_ms as "clockSkewMs", status
      from gateways where id = any(${gatewayIds}::uuid[])
      order by id for no key update`.execute(transaction)
    const changed = rows.flatMap((before) => {
      const after = change(before)
      return after === before ? [] : [after]
    })
    if (changed.length === 0) return []
    await sql`
      update gateways g set lifecycle = c.lifecycle, connection = c.connection, reason = c.reason,
        session_id = c."sessionId", status_at = c."statusAt", last_seen_at = c."lastSeenAt",
        clock_skew_ms = c."clockSkewMs", status = c.status
      from jsonb_to_recordset(${JSON.stringify(changed)}::jsonb) as c("gatewayId" uuid, lifecycle text, connection text,
        reason text, "sessionId" text, "statusAt" int8, "lastSeenAt" int8, "clockSkewMs" int8, status jsonb)
      where g.id = c."gatewayId"`.execute(transaction)
    return changed
  })
}

/** As browsers see it. Version, uptime and health are those of the last heartbeat, also when it is offline now. */
export function liveGatewayOf(presence: Presence): LiveGateway {
  const { thingName, connection, reason, lastSeenAt, clockSkewMs, status } = presence
  return {
    ...{ thingName, connection, reason, lastSeenAt, clockSkewMs },
    version: status?.gateway.version ?? null,
    uptimeSec: status?.gateway.uptimeSec ?? null,
    health: status?.health ?? null,
  }
}
