import { type Kysely, sql } from 'kysely'
import type { MachineLedger } from '../../schemas/status.ts'
import type { Database } from './database.ts'

/** What one heartbeat says of a gateway's outbox. */
export interface Declaration {
  plantId: string
  gatewayId: string
  /** Broker's clock, epoch ms. */
  receivedAt: number
  /** Gateway's clock, epoch ms. */
  timestamp: number
  /** By the machine's slug. */
  ledger: Record<string, MachineLedger>
}

/** A gateway that loses its disk every day stays below it for years; one that makes up ranges is stopped by it. */
const MAX_OUTBOXES = 1000
/** How long what was declared earlier is kept: a reading needs some time through the queue, a heartbeat has its own. */
const EARLIER_MS = 30_000

/**
 * Remembers what gateways declare, for the machines that exist. Ranges only grow, whatever the order in which heartbeats
 * arrive, so that doing it again changes nothing; of `pending` the newest heartbeat's counts. A range that is as it was is not written.
 * What was carried here from another plant is remembered like outboxes of their own, and is not expected there any more.
 * Returns how many ranges were refused because the gateway had declared too many outboxes of one machine.
 */
export async function declareRanges(db: Kysely<Database>, declarations: Declaration[]): Promise<number> {
  const ranges = declarations.flatMap(({ ledger, ...by }) =>
    Object.entries(ledger).flatMap(([slug, { first, last, carried, ...range }]) =>
      [[first, last] as const, ...(carried ?? [])].map(([from, to]) => ({
        ...{ ...by, slug, ...range, first: from, last: to, isMoved: carried !== undefined },
      })),
    ),
  )
  const isDue = sql`excluded.heard_at >= d.earlier_at + ${EARLIER_MS}`
  const { rows } = await sql<{ refused: number }>`
    with said as materialized (
      select m.tenant_id, m.id as machine_id, s.gateway_id, s.first, max(s.last) as last,
        range_agg(s.dropped * own.seqs) as dropped,
        (array_agg(s.pending * own.seqs order by s.heard_at desc))[1] as pending, min(s.heard_at) as since, max(s.heard_at) as heard_at,
        (array_agg(s.sent_at order by s.last desc, s.heard_at))[1] as grown_at
      from unnest(${ranges.map((one) => one.plantId)}::uuid[], ${ranges.map((one) => one.slug)}::text[],
          ${ranges.map((one) => one.gatewayId)}::uuid[], ${ranges.map((one) => one.first)}::int8[],
          ${ranges.map((one) => one.last)}::int8[], ${ranges.map((one) => multirange(one.dropped))}::int8multirange[],
          ${ranges.map((one) => multirange(one.pending ?? []))}::int8multirange[],
          ${ranges.map((one) => one.receivedAt)}::int8[], ${ranges.map((one) => one.timestamp)}::int8[])
        as s(plant_id, slug, gateway_id, first, last, dropped, pending, heard_at, sent_at)
      cross join lateral (select int8multirange(int8range(s.first, s.last, '[]')) as seqs) own
      join machines m on m.plant_id = s.plant_id and m.slug = s.slug
      group by m.tenant_id, m.id, s.gateway_id, s.first
    ), taken as materialized (
      select s.* from said s
      where exists (select from declared_ranges d
          where d.machine_id = s.machine_id and d.gateway_id = s.gateway_id and d.first = s.first)
        or (select count(*) from declared_ranges d
          where d.machine_id = s.machine_id and d.gateway_id = s.gateway_id) < ${MAX_OUTBOXES}
    ), declared as (
      insert into declared_ranges as d (tenant_id, machine_id, gateway_id, first, last, dropped, pending, since,
        heard_at, grown_at, earlier_last, earlier_pending, earlier_at)
      select t.tenant_id, t.machine_id, t.gateway_id, t.first, t.last, t.dropped, t.pending, t.since,
        t.heard_at, t.grown_at, t.first - 1, '{}', t.heard_at
      from taken t order by t.machine_id, t.gateway_id, t.first
      on conflict (machine_id, gateway_id, first) do update set
        last = greatest(d.last, excluded.last),
        dropped = d.dropped + excluded.dropped,
        pending = case when excluded.heard_at >= d.heard_at then excluded.pending else d.pending end,
        since = least(d.since, excluded.since),
        heard_at = greatest(d.heard_at, excluded.heard_at),
        grown_at = case when excluded.last > d.last then excluded.grown_at else d.grown_at end,
        earlier_last = case when ${isDue} then d.last else d.earlier_last end,
        earlier_pending = case when ${isDue} then d.pending else d.earlier_pending end,
        earlier_at = case when ${isDue} then excluded.heard_at else d.earlier_at end
      where excluded.last > d.last or excluded.since < d.since or not d.dropped @> excluded.dropped
        or (excluded.heard_at >= d.heard_at and (excluded.pending <> d.pending or excluded.pending <> '{}'))
    )
    select (select count(*) from said) - (select count(*) from taken) as refused`.execute(db)
  await forgetPending(db, declarations)
  const moved = ranges.filter(({ isMoved }) => isMoved)
  if (moved.length > 0) await transferRanges(db, moved)
  return rows[0]!.refused
}

/** What the newest heartbeat does not mention any more (the disk was lost) is not held. Who writes a row now knows better. */
async function forgetPending(db: Kysely<Database>, declarations: Declaration[]): Promise<void> {
  await sql`
    update declared_ranges d set pending = '{}'
    from (
      select d.machine_id, d.gateway_id, d.first
      from declared_ranges d
        join unnest(${declarations.map((one) => one.gatewayId)}::uuid[], ${declarations.map((one) => one.receivedAt)}::int8[])
          as s(gateway_id, heard_at) using (gateway_id)
      where d.pending <> '{}' and d.heard_at < s.heard_at
      for no key update of d skip locked
    ) gone
    where d.machine_id = gone.machine_id and d.gateway_id = gone.gateway_id and d.first = gone.first`.execute(db)
}

/**
 * What a moved gateway declares is expected at its plant of now: no more at the others, and here again if it had left. A row
 * that is locked is left to the next heartbeat, which says the same.
 */
async function transferRanges(
  db: Kysely<Database>,
  ranges: (Omit<Declaration, 'ledger'> & { slug: string; first: number; last: number })[],
): Promise<void> {
  await sql`
    update declared_ranges d set moved = now.moved, heard_at = now.heard_at
    from (
      select d.machine_id, d.gateway_id, d.first,
        case when is_here then d.moved - s.seqs else d.moved + own.seqs * s.seqs end as moved,
        case when is_here then s.heard_at else d.heard_at end as heard_at
      from (
        select distinct on (gateway_id, slug) gateway_id, slug, plant_id,
          range_agg(int8range(first, last, '[]')) as seqs, max(heard_at) as heard_at
        from unnest(${ranges.map((one) => one.plantId)}::uuid[], ${ranges.map((one) => one.slug)}::text[],
            ${ranges.map((one) => one.gatewayId)}::uuid[], ${ranges.map((one) => one.first)}::int8[],
            ${ranges.map((one) => one.last)}::int8[], ${ranges.map((one) => one.receivedAt)}::int8[])
          as s(plant_id, slug, gateway_id, first, last, heard_at)
        group by gateway_id, slug, plant_id order by gateway_id, slug, max(heard_at) desc
      ) s
        join declared_ranges d on d.gateway_id = s.gateway_id and d.heard_at <= s.heard_at
        join machines m on m.id = d.machine_id and m.slug = s.slug
        cross join lateral (select m.plant_id = s.plant_id as is_here, int8multirange(int8range(d.first, d.last, '[]')) as seqs) own
      where case when is_here then d.moved && s.seqs else not d.moved @> (own.seqs * s.seqs) end
      for no key update of d skip locked
    ) now
    where d.machine_id = now.machine_id and d.gateway_id = now.gateway_id and d.first = now.first`.execute(db)
}

const multirange = (ranges: [from: number, to: number][]) => `{${ranges.map(([from, to]) => `[${from},${to}]`).join()}}`
