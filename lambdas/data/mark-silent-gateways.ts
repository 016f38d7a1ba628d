import { type Kysely, sql } from 'kysely'
import type { Database } from './database.ts'
import { SILENT_AFTER_MS } from './heartbeats.ts'
import { type Presence, presenceColumns } from './update-presence.ts'

/** What is to be said of gateways that were online and have been silent since. */
export type Verdict =
  | { connection: 'stale'; reason: 'heartbeats_missed' }
  | { connection: 'unknown'; reason: 'pipeline_behind' }

/** How many gateways, of all tenants, miss three heartbeats. */
export async function countSilentGateways(db: Kysely<Database>, now: number): Promise<number> {
  const { rows } = await sql<{ silent: number }>`
    select count(*) as silent from gateways g join tenants t on t.id = g.tenant_id
    where ${isSilent(now)} and t.disabled_at is null`.execute(db)
  return rows[0]!.silent
}

/**
 * The longest time, in ms, of the last three intervals in which no gateway of any tenant was heard, by the heartbeats that
 * are stored. All of it when nobody is heard; much of it when the pipeline has just begun to move again, so that some
 * gateways have been heard since and others will be in a moment.
 */
export async function longestSilenceOfAllMs(db: Kysely<Database>, now: number): Promise<number> {
  const from = now - SILENT_AFTER_MS
  const { rows } = await sql<{ silenceMs: number }>`
    select max(h.at - h.previous) as "silenceMs" from (
      select b.at, lag(b.at, 1, ${from}::int8) over (order by b.at) as previous from (
        select (one ->> 'receivedAt')::int8 as at
        from gateways g join tenants t on t.id = g.tenant_id, jsonb_array_elements(g.heartbeats) one
        where g.status_at > ${from} and t.disabled_at is null
        union all select ${now}::int8
      ) b where b.at > ${from}
    ) h`.execute(db)
  return rows[0]!.silenceMs
}

/** A gateway that has just been marked, with the names that its topics have. */
export type MarkedGateway = Presence & Verdict & { tenant: string; province: string; plant: string }

/**
 * Marks all silent gateways, of all tenants, in one statement, and writes it into their history as of the third missing
 * heartbeat, so that it does not matter when the sweep came. A row that is locked is skipped: its heartbeat is being
 * stored, or another sweep is at it. A row that was locked a moment ago is judged again as it is now.
 */
export async function markSilentGateways(
  db: Kysely<Database>,
  now: number,
  verdict: Verdict,
): Promise<MarkedGateway[]> {
  const { connection, reason } = verdict
  const { rows } = await sql<MarkedGateway>`
    with due as materialized (
      select g.id from gateways g join tenants t on t.id = g.tenant_id
      where ${isSilent(now)} and g.connection <> ${connection} and t.disabled_at is null
      order by g.id for no key update of g skip locked
    ), marked as (
      update gateways g set connection = ${connection}, reason = ${reason} from due where g.id = due.id returning g.*
    ), recorded as (
      insert into gateway_connections (tenant_id, gateway_id, at, connection, reason, session_id, restarted)
      select tenant_id, id, status_at + ${SILENT_AFTER_MS}, connection, reason, session_id, false from marked
      on conflict (gateway_id, at) do update set connection = excluded.connection, reason = excluded.reason
    )
    select ${presenceColumns}, t.slug as tenant, p.province, p.slug as plant
    from marked g join tenants t on t.id = g.tenant_id join plants p on p.id = g.plant_id`.execute(db)
  return rows
}

export interface TenantGateways {
  tenant: string
  /** Offline or stale. */
  offline: number
  unknown: number
}

/** Of every tenant that has gateways in use. */
export async function countOfflineGateways(db: Kysely<Database>): Promise<TenantGateways[]> {
  const { rows } = await sql<TenantGateways>`
    select t.slug as tenant, count(*) filter (where g.connection in ('offline', 'stale')) as offline,
      count(*) filter (where g.connection = 'unknown') as unknown
    from gateways g join tenants t on t.id = g.tenant_id
    where t.disabled_at is null and g.lifecycle = 'active' group by t.slug`.execute(db)
  return rows
}

const isSilent = (now: number) => sql`g.connection in ('online', 'unknown') and g.status_at < ${now - SILENT_AFTER_MS}`
