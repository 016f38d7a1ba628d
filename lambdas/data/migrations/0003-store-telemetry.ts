import { type Kysely, sql } from 'kysely'

/**
 * `store_telemetry`: a batch of readings in one statement, each stored exactly once. store-telemetry.ts explains it.
 * A CTE is planned as if it had 10 rows: they are never joined with one another, but by hash with `others`, which are few.
 * `p_values` and `p_quality` are lines of JSON, which is quicker to read than an array of texts; an empty line is null.
 * The caller gives each (machine, seq) once. `p_tag_set`: of the reading's tags, as in machine_state, where the machine's
 * other readings of the batch add nothing to it; else null.
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
create aggregate jsonb_merge(jsonb) (sfunc = jsonb_concat, stype = jsonb, initcond = '{}');

create function store_telemetry(p_tenant uuid[], p_machine uuid[], p_seq int8[], p_ts int8[], p_received_at int8[],
  p_values text, p_quality text, p_tag_set uuid[], p_oldest int8)
returns table(idx int, outcome text, machine uuid, state jsonb, revision int8) language plpgsql volatile
set plan_cache_mode = force_generic_plan as $f$
declare
 now_us int8;
 not_new int[];
 not_simple int[];
begin
 -- Ascending, so that two batches never wait for each other; held to commit. The next statement's snapshot is taken
 -- after the lock, so it sees all that other batches have stored for these machines.
 perform pg_advisory_xact_lock(7001, b.bucket) from (select distinct get_byte(uuid_send(m), 15) as bucket from unnest(p_machine) m order by 1) b;
 now_us := (extract(epoch from clock_timestamp()) * 1000000)::int8; -- grows from one holder of the lock to the next
 with input as materialized (
  select u.idx::int as idx, u.tenant_id, u.machine_id, u.seq, u.seq >> 10 as block, (u.seq & 1023)::int as bit, u.ts, u.received_at,
     u.values::jsonb as values, u.quality::jsonb as quality, u.tag_set
  from unnest(p_tenant, p_machine, p_seq, p_ts, p_received_at, string_to_array(p_values, E'\\n'), string_to_array(p_quality, E'\\n', ''), p_tag_set)
    with ordinality as u(tenant_id, machine_id, seq, ts, received_at, values, quality, tag_set, idx)
 ), blocks as materialized ( -- null where nothing is of a hot day
  select i.tenant_id, i.machine_id, i.block, count(*) as total,
     bit_or(set_bit(0::bit(1024), i.bit, 1)) filter (where i.ts >= p_oldest) as incoming
  from input i group by 1, 2, 3
 ), all_new as ( -- the common case: the block is there, and knows none of these seqs
  update machine_ledger l set received = l.received | b.incoming
  from blocks b
  where l.machine_id = b.machine_id and l.block = b.block and (l.received & b.incoming) = 0::bit(1024)
   and bit_count(b.incoming) = b.total
  returning l.machine_id, l.block
 ), others as materialized ( -- all other blocks, with what they know
  select b.*, l.received, coalesce(b.incoming & ~coalesce(l.received, 0::bit(1024)), 0::bit(1024)) as fresh
  from blocks b left join machine_ledger l on l.machine_id = b.machine_id and l.block = b.block
  where (b.machine_id, b.block) not in (select a.machine_id, a.block from all_new a)
 ), ledger as (
  insert into machine_ledger as l (tenant_id, machine_id, block, received, repeats)
  select o.tenant_id, o.machine_id, o.block, o.fresh, o.total - bit_count(o.fresh) from others o
  where o.received is not null or bit_count(o.fresh) > 0
  on conflict (machine_id, block) do update set received = l.received | excluded.received, repeats = l.repeats + excluded.repeats
 ), judged as materialized (
  select i.*, o.machine_id is null or get_bit(o.fresh, i.bit) = 1 as is_new
  from input i left join others o on o.machine_id = i.machine_id and o.block = i.block
 ), stored as (
  insert into telemetry_events (tenant_id, machine_id, ts, seq, received_at, values, quality)
  select j.tenant_id, j.machine_id, j.ts, j.seq, j.received_at, j.values, j.quality from judged j where j.is_new
 ), late as ( -- an hour that is over may have been rolled up already
  insert into rollup_queue (tenant_id, machine_id, hour)
  select distinct j.tenant_id, j.machine_id, j.ts / 3600000 from judged j where j.is_new and j.ts < now_us / 3600000000 * 3600000
 ), replaced as ( -- the common case: a newer reading with just the tags of the state is the state now
  update machine_state s set ts = j.ts, seq = j.seq, received_at = j.received_at, values = j.values, quality = j.quality,
     last_seen_at = greatest(s.last_seen_at, j.received_at), revision = now_us
  from judged j
  where j.is_new and s.machine_id = j.machine_id and s.tag_set = j.tag_set and (j.ts, j.seq) > (s.ts, s.seq)
  returning s.machine_id
 )
 select (select array_agg(j.idx) from judged j where not j.is_new),
  (select array_agg(j.idx) from judged j where j.is_new and j.machine_id not in (select r.machine_id from replaced r))
 into not_new, not_simple;

 if not_simple is not null then -- all other new readings, with the state that they meet
  return query
  with met as (
   select u.machine_id, u.tenant_id, u.ts, u.seq, u.received_at, u.values::jsonb as values, u.quality::jsonb as quality,
      s.ts as state_ts, s.seq as state_seq, s.received_at as state_received_at,
      -- Unpacked once: a large value is else unpacked for each tag that is looked up in it.
      s.values || '{}' as state_values, s.quality || '{}' as state_quality, s.older_tags || '{}' as state_older_tags
   from unnest(p_tenant, p_machine, p_seq, p_ts, p_received_at, string_to_array(p_values, E'\\n'), string_to_array(p_quality, E'\\n', ''))
     with ordinality as u(tenant_id, machine_id, seq, ts, received_at, values, quality, idx)
   left join machine_state s on s.machine_id = u.machine_id
   where u.idx = any(not_simple)
  ), ranked as (
   select m.*, row_number() over newest as rank, first_value(m.ts) over newest as newest_ts,
      first_value(m.seq) over newest as newest_seq, first_value(m.received_at) over newest as newest_received_at,
      first_value(m.values) over newest as newest_values, max(m.received_at) over machine as seen_at,
      jsonb_merge(m.values) over machine as all_values,
      bool_or(m.quality is not null or m.state_quality is not null) over machine as has_quality
   from met m
   window newest as (partition by m.machine_id order by m.ts desc, m.seq desc),
      machine as (partition by m.machine_id order by m.ts, m.seq rows between unbounded preceding and unbounded following)
  ), sorted as materialized ( -- a machine's late readings say nothing when the state knows all their tags newer
   select r.*, coalesce((r.newest_ts, r.newest_seq) < (r.state_ts, r.state_seq) and r.state_older_tags is null
       and r.all_values || r.state_values = r.state_values, false) as says_nothing
   from ranked r
  ), compared as (
   select o.*, coalesce((o.ts, o.seq) < (o.state_ts, o.state_seq), false) as is_late, jsonb_build_array(o.ts, o.seq) as stamp,
      jsonb_build_array(o.state_ts, o.state_seq) as state_stamp,
      coalesce((o.newest_ts, o.newest_seq) < (o.state_ts, o.state_seq), false) as state_is_newest
   from sorted o where not o.says_nothing
  ), merged as materialized ( -- on the state the readings by age; of a late one only the tags that the state knows no newer
   select c.machine_id, c.tenant_id, c.seen_at,
      case when c.state_is_newest then max(c.state_ts) else max(c.newest_ts) end as ts,
      case when c.state_is_newest then max(c.state_seq) else max(c.newest_seq) end as seq,
      case when c.state_is_newest then max(c.state_received_at) else max(c.newest_received_at) end as received_at,
      jsonb_merge(c.state_values) filter (where c.rank = 1)
       || jsonb_merge(case when c.is_late then k.values else c.values end order by c.ts, c.seq) as values,
      nullif(jsonb_strip_nulls(jsonb_merge(c.state_quality) filter (where c.rank = 1)
       || jsonb_merge(k.quality order by c.ts, c.seq)), '{}') as quality,
      nullif(jsonb_merge(s.stamps) || jsonb_merge(k.stamps order by c.ts, c.seq), '{}') as older_tags
   from compared c
   left join lateral (
    select jsonb_object_agg(v.tag, v.value) filter (where c.is_late) as values,
       -- null where the value is good: it erases what was said before
       jsonb_object_agg(v.tag, c.quality -> v.tag) filter (where c.has_quality) as quality,
       jsonb_object_agg(v.tag, c.stamp) filter (where c.state_is_newest or not c.newest_values ? v.tag) as stamps
    from jsonb_each(c.values) as v(tag, value)
    where not c.is_late or not c.state_values ? v.tag or coalesce(c.state_older_tags -> v.tag, c.state_stamp) < c.stamp
   ) k on c.rank > 1 or c.is_late or c.has_quality
   left join lateral (
    select jsonb_object_agg(t.tag, coalesce(c.state_older_tags -> t.tag, c.state_stamp)) as stamps
    from jsonb_object_keys(c.state_values) as t(tag)
    where case when c.state_is_newest then c.state_older_tags ? t.tag else not c.newest_values ? t.tag end
   ) s on c.rank = 1
   group by c.machine_id, c.tenant_id, c.seen_at, c.state_is_newest
  ), seen as (
   update machine_state s set last_seen_at = greatest(s.last_seen_at, o.seen_at)
   from sorted o where o.says_nothing and o.rank = 1 and s.machine_id = o.machine_id
  ), state as (
   insert into machine_state as s (machine_id, tenant_id, ts, seq, received_at, values, quality, older_tags, tag_set, last_seen_at, revision)
   select m.machine_id, m.tenant_id, m.ts, m.seq, m.received_at, m.values, m.quality, m.older_tags,
      case when m.older_tags is null then md5((select string_agg(k.tag, ',' order by k.tag collate "C") from jsonb_object_keys(m.values) k(tag)))::uuid end,
      m.seen_at, now_us
   from merged m
   on conflict (machine_id) do update set last_seen_at = greatest(s.last_seen_at, excluded.last_seen_at),
    (ts, seq, received_at, values, quality, older_tags, tag_set, revision) = (excluded.ts, excluded.seq, excluded.received_at,
     excluded.values, excluded.quality, excluded.older_tags, excluded.tag_set, excluded.revision)
  )
  select null::int, null, o.machine_id, null::jsonb, now_us from sorted o where o.says_nothing and o.rank = 1
  union all
  select null, null, m.machine_id, jsonb_build_object('timestamp', m.ts, 'seq', m.seq, 'receivedAt', m.received_at,
    'values', m.values, 'quality', m.quality), now_us from merged m;
 end if;

 -- The caller knows the state of each other machine: it is the whole reading. Of these it gets the revision.
 return query select null::int, null, null::uuid, null::jsonb, now_us;

 if not_new is not null then -- its plan opens all partitions, which takes longer than all of the above does for ten readings
  return query
  select u.idx::int, case
    when u.ts < p_oldest then
     case when get_bit(l.received, (u.seq & 1023)::int) = 1 then 'duplicate' else 'timestamp_too_old' end
    when row(e.values, e.quality) is not distinct from row(u.values::jsonb, u.quality::jsonb) then 'duplicate'
    else 'seq_conflict' end, null::uuid, null::jsonb, now_us
  from unnest(p_machine, p_seq, p_ts, string_to_array(p_values, E'\\n'), string_to_array(p_quality, E'\\n', ''))
    with ordinality as u(machine_id, seq, ts, values, quality, idx)
  left join machine_ledger l on l.machine_id = u.machine_id and l.block = u.seq >> 10
  left join telemetry_events e on e.machine_id = u.machine_id and e.ts = u.ts and e.seq = u.seq
  where u.idx = any(not_new);
 end if;
end $f$;
`.execute(db)
}
