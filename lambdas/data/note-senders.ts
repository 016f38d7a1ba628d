import { type Kysely, sql } from 'kysely'
import type { Database } from './database.ts'

/**
 * Moves `last_seen_at` of gateways forward, by the broker's clock. Heartbeats hold the same rows for a moment: a row
 * that is locked is skipped, as its heartbeat says the same, and so nobody ever waits here.
 */
export async function noteGatewaysSeen(db: Kysely<Database>, seen: Map<string, number>): Promise<void> {
  await sql`
    update gateways g set last_seen_at = due.seen_at
    from (
      select g.id, s.seen_at
      from gateways g join unnest(${[...seen.keys()]}::uuid[], ${[...seen.values()]}::int8[]) as s(id, seen_at) using (id)
      where g.last_seen_at is null or g.last_seen_at < s.seen_at
      order by g.id for no key update of g skip locked
    ) due
    where g.id = due.id`.execute(db)
}

/** Sets who sends for a machine now: machine id -> gateway id. */
export async function noteGatewaysOfMachines(db: Kysely<Database>, gateways: Map<string, string>): Promise<void> {
  await sql`
    update machines m set gateway_id = due.gateway_id
    from (
      select m.id, s.gateway_id
      from machines m join unnest(${[...gateways.keys()]}::uuid[], ${[...gateways.values()]}::uuid[]) as s(id, gateway_id) using (id)
      where m.gateway_id is distinct from s.gateway_id
      order by m.id for no key update of m skip locked
    ) due
    where m.id = due.id`.execute(db)
}
