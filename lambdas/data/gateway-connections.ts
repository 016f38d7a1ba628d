import { type Kysely, sql } from 'kysely'
import type { GatewayConnection } from '../../schemas/api.ts'
import type { Database } from './database.ts'
import type { PageOf } from './page.ts'

/** A gateway's connection has become another one, or another session's, or its program has begun anew. */
export interface ConnectionChange {
  gatewayId: string
  /** Broker's clock. It holds until the gateway's next change. */
  at: number
  connection: GatewayConnection['connection']
  reason: string | null
  sessionId: string | null
  restarted: boolean
  /** The gateway was thought silent (`stale`, `unknown`), and has now been heard. */
  endsSilence: boolean
}

/** The history of a connection goes back this far. A gateway that reconnects every minute makes 260,000 rows in that time. */
export const HISTORY_DAYS = 90

/** Of what is too old, removed in one run, so that no run holds the table for long. */
const FORGOTTEN_AT_ONCE = 10_000

/**
 * Adds changes to the history, in the transaction that has locked the gateways. A silence that began after the message
 * that ends it was never one: the message was late, not the gateway. It is taken away, and what held before goes on.
 */
export async function recordConnections(db: Kysely<Database>, changes: ConnectionChange[]): Promise<void> {
  // Of two changes in one millisecond the first lasted no time.
  const distinct = [...new Map(changes.map((change) => [`${change.gatewayId} ${change.at}`, change])).values()]
  if (distinct.length === 0) return
  const change = sql`jsonb_to_recordset(${JSON.stringify(distinct)}::jsonb) as c("gatewayId" uuid, at int8,
    connection text, reason text, "sessionId" text, restarted bool, "endsSilence" bool)`
  if (distinct.some(({ endsSilence }) => endsSilence)) {
    await sql`
      delete from gateway_connections h using ${change}
      where c."endsSilence" and h.gateway_id = c."gatewayId" and h.at >= c.at`.execute(db)
  }
  await sql`
    insert into gateway_connections as h (tenant_id, gateway_id, at, connection, reason, session_id, restarted)
    select g.tenant_id, g.id, c.at, c.connection, c.reason, c."sessionId", c.restarted
    from ${change} join gateways g on g.id = c."gatewayId"
    left join lateral (
      select b.connection, b.reason, b.session_id from gateway_connections b
      where b.gateway_id = g.id and b.at < c.at order by b.at desc limit 1
    ) before on c."endsSilence"
    where c.restarted or not coalesce(before.connection = c.connection
      and (before.reason, before.session_id) is not distinct from (c.reason, c."sessionId"), false)
    on conflict (gateway_id, at) do update set connection = excluded.connection, reason = excluded.reason,
      session_id = excluded.session_id, restarted = h.restarted or excluded.restarted`.execute(db)
}

/** The times that lie in [from, to) at least in part, newest first. `after` is the `from` of the last one given. */
export async function listConnections(
  db: Kysely<Database>,
  tenantId: string,
  gatewayId: string,
  { from, to, limit, after }: PageOf & { from: number; to: number },
  now: number,
): Promise<GatewayConnection[]> {
  const before = after === undefined ? to : Math.min(to, Number(after))
  const { rows } = await sql<Omit<GatewayConnection, 'durationMs'>>`
    select c.connection, c.reason, c.at as "from", c.session_id as "sessionId", c.restarted, (
      select min(n.at) from gateway_connections n where n.gateway_id = c.gateway_id and n.at > c.at) as "to"
    from gateway_connections c
    where c.tenant_id = ${tenantId} and c.gateway_id = ${gatewayId} and c.at < ${before}
      and c.at >= coalesce((
        select max(o.at) from gateway_connections o where o.gateway_id = ${gatewayId} and o.at <= ${from}), 0)
    order by c.at desc limit ${limit}`.execute(db)
  return rows.map((row) => ({ ...row, durationMs: (row.to ?? Math.max(now, row.from)) - row.from }))
}

/** Removes changes that ended more than HISTORY_DAYS ago: what held at that moment stays. Returns how many there were. */
export async function forgetOldConnections(db: Kysely<Database>, now: number): Promise<number> {
  const oldest = now - HISTORY_DAYS * 86_400_000
  const { numAffectedRows } = await sql`
    delete from gateway_connections h using (
      select o.gateway_id, o.at from gateway_connections o
      where o.at < ${oldest} and exists (
        select 1 from gateway_connections n where n.gateway_id = o.gateway_id and n.at > o.at and n.at <= ${oldest})
      order by o.at limit ${FORGOTTEN_AT_ONCE} for update skip locked
    ) old
    where h.gateway_id = old.gateway_id and h.at = old.at`.execute(db)
  return Number(numAffectedRows)
}
