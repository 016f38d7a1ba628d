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
returns table(idx int, outcome text, state jsonb, revision int8) language plpgsql volatile set plan_cache_mode = force_generic_plan as $f$
declare
 now_us int8;
begin
 -- Ascending, so that two batches never wait for each other; held to commit. The next statement's snapshot is taken
 -- after the lock, so it sees all that other batches have stored for these machines.
 perform pg_advisory_xact_lock(7001, b.bucket) from (select distinct uuid_hash(m) & 255 as bucket from unnest(p_machine) m order by 1) b;
 now_us := (extract(epoch from clock_timestamp()) * 1000000)::int8; -- grows from one holder of the lock to the next
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
 ), told as ( -- what can hold the newest value of a tag: the states (without idx) and the new readings that they meet
  select null::int as idx, s.machine_id, s.tenant_id, s.ts, s.seq, s.received_at, s.values, s.quality, s.older_tags, s.last_seen_at
  from machine_state s where s.machine_id in (select j.machine_id from judged j where j.is_new)
  union all
  select j.idx, j.machine_id, j.tenant_id, j.ts, j.seq, j.received_at, j.values, j.quality, null, j.received_at
  from judged j where j.is_new
 ), ranked as materialized (
  select t.*, row_number() over newest as rank, max(t.last_seen_at) over machine as machine_seen_at,
     -- the newest reading carries every tag of the machine, so it is the state
     first_value(t.values) over newest = jsonb_merge(t.values) over machine and first_value(t.older_tags) over newest is null as is_whole
  from told t
  window newest as (partition by t.machine_id order by t.ts desc, t.seq desc),
     machine as (partition by t.machine_id order by t.ts, t.seq rows between unbounded preceding and unbounded following)
 ), partial as ( -- else it is put together from several, which are compared with the state that they meet
  select r.*, first_value(r.ts) over newest as newest_ts, first_value(r.seq) over newest as newest_seq,
     first_value(r.received_at) over newest as newest_received_at,
     max(r.ts) filter (where r.idx is null) over machine as state_ts, max(r.seq) filter (where r.idx is null) over machine as state_seq,
     jsonb_merge(r.values) filter (where r.idx is null) over machine as state_values,
     jsonb_merge(r.older_tags) filter (where r.idx is null) over machine as state_older_tags,
     bool_or(r.quality is not null) over machine as has_quality
  from ranked r where not r.is_whole
  window newest as (partition by r.machine_id order by r.ts desc, r.seq desc),
     machine as (partition by r.machine_id order by r.ts desc, r.seq desc rows between unbounded preceding and unbounded following)
 ), compared as (
  select p.*, coalesce((p.ts, p.seq) < (p.state_ts, p.state_seq), false) as is_late, jsonb_build_array(p.ts, p.seq) as stamp,
     jsonb_build_array(p.state_ts, p.state_seq) as state_stamp, jsonb_build_array(p.newest_ts, p.newest_seq) as newest_stamp
  from partial p
 ), merged as materialized ( -- the state first, then the readings by age; of a late one only the tags that the state knows no newer
  select c.machine_id, c.tenant_id, c.newest_ts, c.newest_seq, c.newest_received_at, c.machine_seen_at,
     jsonb_merge(case when c.is_late then k.values else c.values end order by c.idx is not null, c.ts, c.seq) as values,
     nullif(jsonb_strip_nulls(jsonb_merge(k.quality order by c.idx is not null, c.ts, c.seq)), '{}') as quality,
     nullif(jsonb_strip_nulls(jsonb_merge(k.stamps order by c.idx is not null, c.ts, c.seq)), '{}') as older_tags
  from compared c cross join lateral (
   select jsonb_object_agg(v.tag, v.value) filter (where c.is_late) as values,
      -- null where the value is good, or of the newest reading: it must erase what an older one has said
      jsonb_object_agg(v.tag, c.quality -> v.tag) filter (where c.has_quality) as quality,
      jsonb_object_agg(v.tag, nullif(coalesce(c.older_tags -> v.tag, c.stamp), c.newest_stamp)) as stamps
   from jsonb_each(c.values) as v(tag, value)
   where not c.is_late or not c.state_values ? v.tag or coalesce(c.state_older_tags -> v.tag, c.state_stamp) < c.stamp
  ) k
  group by c.machine_id, c.tenant_id, c.newest_ts, c.newest_seq, c.newest_received_at, c.machine_seen_at
 ), state as (
  insert into machine_state as s (machine_id, tenant_id, ts, seq, received_at, values, quality, older_tags, last_seen_at, revision)
  select r.machine_id, r.tenant_id, r.ts, r.seq, r.received_at, r.values, r.quality, null, r.machine_seen_at, now_us
  from ranked r where r.rank = 1 and r.is_whole
  union all
  select m.machine_id, m.tenant_id, m.newest_ts, m.newest_seq, m.newest_received_at, m.values, m.quality, m.older_tags, m.machine_seen_at, now_us
  from merged m
  on conflict (machine_id) do update set (ts, seq, received_at, values, quality, older_tags, last_seen_at, revision) =
   (excluded.ts, excluded.seq, excluded.received_at, excluded.values, excluded.quality, excluded.older_tags, excluded.last_seen_at, excluded.revision)
 )
 select r.idx, case when r.rank = 1 and r.is_whole then 'current' else 'new' end, null::jsonb, now_us from ranked r where r.idx is not null
 union all
 select null, 'state', jsonb_build_object('machineId', m.machine_id, 'timestamp', m.newest_ts, 'seq', m.newest_seq,
   'receivedAt', m.newest_received_at, 'values', m.values, 'quality', m.quality), now_us from merged m
 union all
 select j.idx, case
   when j.is_fresh then case when j.same_as_first then 'duplicate' else 'seq_conflict' end
   when j.ts < p_oldest then case when j.known then 'duplicate' else 'timestamp_too_old' end
   when row(e.values, e.quality) is not distinct from row(j.values, j.quality) then 'duplicate'
   else 'seq_conflict' end, null, now_us
 from judged j
 left join telemetry_events e on e.machine_id = j.machine_id and e.ts = j.ts and e.seq = j.seq
 where not j.is_new;
end $f$;
`.execute(db)
}
