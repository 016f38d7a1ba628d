import { type RawBuilder, sql, type SqlBool } from 'kysely'

/** Of which machines, and of which time: `from` <= time < `to`, epoch ms; without them, of all that was ever declared. */
export interface Asked {
  tenantId: string
  /** Condition on `machines`: what the user may see is part of it. */
  machines: RawBuilder<SqlBool>
  from: number | undefined
  to: number | undefined
  /** Epoch ms. */
  now: number
}

/**
 * A gateway that was silent for longer is not counted on any more: what it may still hold is older than the hot retention
 * by default, and would be refused as `timestamp_too_old`.
 */
const HELD_FOR_MS = 30 * 86_400_000
/** A reading is on its way for so long after the heartbeat that told of it; later it is lost until it arrives. */
const UNDERWAY_FOR_MS = 60_000
/** Of one machine, the newest: each is looked through for its seq. */
const MAX_DEAD_LETTERS = 10_000
/** How far readings may be ahead of the broker's clock; see ingest. */
const MAX_CLOCK_AHEAD_MS = 300_000

/**
 * Common table expressions that say which seqs are asked for: `machine`, `declared` (one row per outbox that is asked
 * for, with its `seqs`) and `asked` (one row per machine and class, whose `seqs` are disjoint multiranges):
 *
 * - `held`: the newest heartbeat of the gateway says that its outbox holds them. Only of a gateway that is not revoked.
 * - `dropped`: the gateway says that it had to drop them, as its outbox was full.
 * - `quarantined`: a message that says this seq of itself was refused, and is among the dead letters.
 * - `underway`: declared for the first time, or still held, in the last heartbeat but one: perhaps in a queue now.
 * - `due`: all the others that gateways have declared.
 * - `undeclared`: those that no gateway has declared, for readings of gateways whose heartbeats have no ledger.
 *
 * A seq that is stored is stored, whatever its class. What a gateway has carried to another plant before it was sent is
 * asked for there only.
 *
 * What a range of time means: a missing reading has no timestamp, but the seqs of one outbox grow with time. Of each
 * outbox those seqs are asked for which lie above that of its newest reading before `from` and below that of its oldest
 * reading at or after `to`. So what is missing at an end of the range, where it may have been read on either side, is
 * counted. Readings that are stored but no longer kept as events are older than all that are kept: a range reaches back
 * only as far as the events do. An outbox is left out when it began at `to` or later, or had grown for the last time before `from`,
 * by the clocks of gateway and broker.
 */
export function askedSeqs({ tenantId, machines, from, to, now }: Asked) {
  const begin = from ?? 0
  const end = to ?? Number.MAX_SAFE_INTEGER
  const anySeq =
    from === undefined && to === undefined
      ? sql`int8range(0, ${end}::int8)`
      : sql`(
          select case when n.a is null then 'empty' else int8range(least(n.a, n.z), greatest(n.a, n.z), '[]') end
          from (select
            (select e.seq from ${eventsSince(begin)} and e.ts < ${end}::int8 order by e.ts, e.seq limit 1) as a,
            (select e.seq from ${eventsBefore(end)} and e.ts >= ${begin}::int8 order by e.ts desc, e.seq desc limit 1) as z
            offset 0 -- looked up once, not wherever it is named
          ) n)`
  return sql`
    machine as materialized (
      select machines.id, machines.tenant_id, machines.plant_id, machines.slug, machines.name
      from machines where machines.tenant_id = ${tenantId} and ${machines}
    ), declared as materialized (
      select d.machine_id, g.thing_name, d.dropped, d.moved, int8range(f.seq, greatest(f.seq, u.seq)) as seqs,
        case when g.lifecycle <> 'revoked' and d.heard_at >= ${now - HELD_FOR_MS}::int8 then d.pending else '{}' end as held,
        case when d.heard_at > ${now - UNDERWAY_FOR_MS}::int8
          then d.earlier_pending + int8multirange(int8range(d.earlier_last, d.last, '(]')) else '{}' end as underway
      from machine m
      join declared_ranges d on d.machine_id = m.id and d.tenant_id = m.tenant_id
      left join gateways g on g.id = d.gateway_id and g.tenant_id = d.tenant_id
      cross join lateral (select ${from === undefined ? sql`d.first` : firstSeq(from)} as seq) f
      cross join lateral (select ${to === undefined ? sql`d.last + 1` : endSeq(to)} as seq) u
      where least(d.first, d.since) < ${end}::int8 and d.grown_at + ${MAX_CLOCK_AHEAD_MS}::int8 >= ${begin}::int8
    ), asked as materialized (
      select m.id as machine_id, class.name as class, class.seqs
      from machine m
      left join (
        select d.machine_id, range_agg(own.seqs) as seqs, range_agg(d.held * own.seqs) as held,
          range_agg(d.dropped * own.seqs) as dropped, range_agg(d.underway * own.seqs) as underway
        from declared d cross join lateral (select int8multirange(d.seqs) - d.moved as seqs) own
        group by d.machine_id
      ) o on o.machine_id = m.id
      cross join lateral (
        select coalesce(o.seqs, '{}') as seqs, coalesce(o.held, '{}') as held, coalesce(o.dropped, '{}') as dropped,
          coalesce(o.underway, '{}') as underway
      ) d
      cross join lateral (
        select ${anySeq} as seqs
      ) any_seq
      cross join lateral (
        select coalesce(range_agg(int8range(r.first, r.last, '[]')), '{}') as seqs
        from declared_ranges r where r.machine_id = m.id and r.tenant_id = m.tenant_id
      ) known
      cross join lateral (
        select coalesce(range_agg(int8range(q.seq, q.seq + 1)), '{}') * d.seqs as quarantined
        from (
          select substring(encode(q.payload_head, 'escape') from '"seq"\\s*:\\s*(\\d{1,15})\\M')::int8 as seq
          from quarantine q
          where q.tenant_id = m.tenant_id and q.plant_id = m.plant_id and q.machine = m.slug and q.queue = 'telemetry'
          order by q.quarantined_at desc limit ${MAX_DEAD_LETTERS}
        ) q where q.seq is not null
      ) q
      cross join lateral (values
        ('held', d.held),
        ('dropped', d.dropped - d.held),
        ('quarantined', q.quarantined - d.held - d.dropped),
        ('underway', d.underway - d.held - d.dropped - q.quarantined),
        ('due', d.seqs - d.held - d.dropped - q.quarantined - d.underway),
        ('undeclared', int8multirange(any_seq.seqs) - known.seqs)
      ) class(name, seqs)
    )`
}

/** Events of the machine `m`. */
const eventsBefore = (time: number) => events(sql`e.ts < ${time}::int8`)
const eventsSince = (time: number) => events(sql`e.ts >= ${time}::int8`)
const events = (condition: RawBuilder<SqlBool>) =>
  sql`telemetry_events e where e.tenant_id = m.tenant_id and e.machine_id = m.id and ${condition}`
const ofOutbox = sql`e.seq between d.first and d.last`

/** The seq after that of the newest event of the outbox `d` before `from`; without one, after the newest that is stored but not kept. */
const firstSeq = (from: number) => sql`
  case when least(d.first, d.since) >= ${from}::int8 then d.first else coalesce((
    select e.seq + 1 from ${eventsBefore(from)} and ${ofOutbox} order by e.ts desc, e.seq desc limit 1
  ), (
    select (l.block << 10) + length(rtrim(left(l.received::text, least(oldest.seq - (l.block << 10), 1024)::int), '0'))
    from (select coalesce((
        select e.seq from ${eventsSince(from)} and ${ofOutbox} order by e.ts, e.seq limit 1
      ), d.last + 1) as seq) oldest
      join machine_ledger l on l.tenant_id = m.tenant_id and l.machine_id = m.id
        and l.block between d.first >> 10 and (oldest.seq - 1) >> 10
    where stored_in_block(l.received, l.block, d.first, oldest.seq) > 0
    order by l.block desc limit 1
  ), d.first) end`

/** That of the oldest event of the outbox `d` at or after `to`. */
const endSeq = (to: number) => sql`
  case when d.grown_at < ${to}::int8 then d.last + 1 else coalesce((
    select e.seq from ${eventsSince(to)} and ${ofOutbox} order by e.ts, e.seq limit 1
  ), d.last + 1) end`
