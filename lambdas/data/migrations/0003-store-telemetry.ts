import { type Kysely, sql } from 'kysely'

/**
 * `store_telemetry`: a batch of readings in one statement, each stored exactly once. store-telemetry.ts explains it.
 * Everything reads the batch once, in windows: a join of the CTEs with one another is planned as if they had 10 rows.
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
create aggregate jsonb_merge(jsonb) (sfunc = jsonb_concat, stype = jsonb, initcond = '{}');

create function store_telemetry(p_tenant uuid[], p_machine uuid[], p_seq int8[], p_ts int8[], p_received_at int8[],
  p_values text[], p_quality text[], p_oldest int8)
returns table(idx int, outcome text) language plpgsql volatile set plan_cache_mode = force_generic_plan as $f$
begin
 -- Ascending, so that two batches never wait for each other; held to commit. The next statement's snapshot is taken
 -- after the lock, so it sees all that other batches have stored for these machines.
 perform pg_advisory_xact_lock(7001, b.bucket) from (select distinct uuid_hash(m) & 255 as bucket from unnest(p_machine) m order by 1) b;
 return query
 with input as materialized (
  select u.idx::int as idx, u.tenant_id, u.machine_id, u.seq, u.seq >> 10 as block, (u.seq & 1023)::int as bit, u.ts, u.received_at,
     u.values::jsonb as values, u.quality::jsonb as quality
  from unnest(p_tenant, p_machine, p_seq, p_ts, p_received_at, p_values, p_quality)
    with ordinality as u(tenant_id, machine_id, seq, ts, received_at, values, quality, idx)
 ), blocks as materialized (
  select n.tenant_id, n.machine_id, n.block, n.total, l.received, coalesce(n.incoming & ~coalesce(l.received, 0::bit(1024)), 0::bit(1024)) as fresh
  from (select i.tenant_id, i.machine_id, i.block, count(*) as total,
        bit_or(set_bit(0::bit(1024), i.bit, 1)) filter (where i.ts >= p_oldest) as incoming
     from input i group by 1, 2, 3) n
  left join machine_ledger l on l.machine_id = n.machine_id and l.block = n.block
 ), judged as materialized (
  select i.*, get_bit(b.fresh, i.bit) = 1 as is_fresh,
     get_bit(b.fresh, i.bit) = 1 and row_number() over same_seq = 1 as is_new,
     row(i.ts, i.values, i.quality) is not distinct from
      row(first_value(i.ts) over same_seq, first_value(i.values) over same_seq, first_value(i.quality) over same_seq) as same_as_first,
     case when i.ts < p_oldest then coalesce(get_bit(b.received, i.bit) = 1, false) end as known
  from input i join blocks b on b.machine_id = i.machine_id and b.block = i.block
  window same_seq as (partition by i.machine_id, i.seq order by i.ts < p_oldest, i.idx)
 ), stored as (
  insert into telemetry_events (tenant_id, machine_id, ts, seq, received_at, values, quality)
  select j.tenant_id, j.machine_id, j.ts, j.seq, j.received_at, j.values, j.quality from judged j where j.is_new
 ), ledger as (
  insert into machine_ledger as l (tenant_id, machine_id, block, received, repeats)
  select b.tenant_id, b.machine_id, b.block, b.fresh, b.total - n.stored
  from blocks b join (select j.machine_id, j.block, count(*) filter (where j.is_new) as stored
            from judged j group by 1, 2) n on n.machine_id = b.machine_id and n.block = b.block
  where b.received is not null or bit_count(b.fresh) > 0
  on conflict (machine_id, block) do update set received = l.received | excluded.received, repeats = l.repeats + excluded.repeats
 ), told as ( -- what can hold the newest value of a tag: the new readings, and the states that they meet
  select j.machine_id, j.tenant_id, j.ts, j.seq, j.received_at, j.values, j.quality, null::jsonb as older_tags,
     j.received_at as last_seen_at, 0::int8 as revision
  from judged j where j.is_new
  union all
  select s.machine_id, s.tenant_id, s.ts, s.seq, s.received_at, s.values, s.quality, s.older_tags, s.last_seen_at, s.revision
  from machine_state s where s.machine_id in (select j.machine_id from judged j where j.is_new)
 ), ranked as materialized (
  select t.machine_id, t.tenant_id, t.ts, t.seq, t.values, t.quality, t.older_tags,
     row_number() over newest as rank,
     first_value(t.ts) over newest as newest_ts, first_value(t.seq) over newest as newest_seq,
     first_value(t.received_at) over newest as newest_received_at,
     max(t.last_seen_at) over machine as last_seen_at, max(t.revision) over machine as revision,
     -- the newest reading carries every tag of the machine, so it is the state
     first_value(t.values) over newest = jsonb_merge(t.values) over machine and first_value(t.older_tags) over newest is null as whole
  from told t
  window newest as (partition by t.machine_id order by t.ts desc, t.seq desc),
     machine as (partition by t.machine_id order by t.ts, t.seq rows between unbounded preceding and unbounded following)
 ), newest_tags as ( -- else the newest value of each tag; arrays [ts, seq] compare element by element
  select distinct on (r.machine_id, v.tag) r.machine_id, r.tenant_id, r.newest_ts, r.newest_seq, r.newest_received_at,
     r.last_seen_at, r.revision, v.tag, v.value, r.quality -> v.tag as quality,
     coalesce(r.older_tags -> v.tag, jsonb_build_array(r.ts, r.seq)) as told_by
  from ranked r cross join lateral jsonb_each(r.values) as v(tag, value)
  where not r.whole
  order by r.machine_id, v.tag, coalesce(r.older_tags -> v.tag, jsonb_build_array(r.ts, r.seq)) desc
 ), state as (
  insert into machine_state as s (machine_id, tenant_id, ts, seq, received_at, values, quality, older_tags, last_seen_at, revision)
  select r.machine_id, r.tenant_id, r.newest_ts, r.newest_seq, r.newest_received_at, r.values, r.quality, null, r.last_seen_at,
     greatest(r.revision + 1, (extract(epoch from clock_timestamp()) * 1000)::int8)
  from ranked r where r.rank = 1 and r.whole
  union all
  select n.machine_id, n.tenant_id, n.newest_ts, n.newest_seq, n.newest_received_at, jsonb_object_agg(n.tag, n.value),
     jsonb_object_agg(n.tag, n.quality) filter (where n.quality is not null),
     jsonb_object_agg(n.tag, n.told_by) filter (where n.told_by <> jsonb_build_array(n.newest_ts, n.newest_seq)),
     n.last_seen_at, greatest(n.revision + 1, (extract(epoch from clock_timestamp()) * 1000)::int8)
  from newest_tags n group by n.machine_id, n.tenant_id, n.newest_ts, n.newest_seq, n.newest_received_at, n.last_seen_at, n.revision
  on conflict (machine_id) do update set (ts, seq, received_at, values, quality, older_tags, last_seen_at, revision) =
   (excluded.ts, excluded.seq, excluded.received_at, excluded.values, excluded.quality, excluded.older_tags, excluded.last_seen_at, excluded.revision)
 )
 select j.idx, 'new' from judged j where j.is_new
 union all
 select j.idx, case
   when j.is_fresh then case when j.same_as_first then 'duplicate' else 'seq_conflict' end
   when j.ts < p_oldest then case when j.known then 'duplicate' else 'timestamp_too_old' end
   when row(e.values, e.quality) is not distinct from row(j.values, j.quality) then 'duplicate'
   else 'seq_conflict' end
 from judged j
 left join telemetry_events e on e.machine_id = j.machine_id and e.ts = j.ts and e.seq = j.seq
 where not j.is_new;
end $f$;
`.execute(db)
}
