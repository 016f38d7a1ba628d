import { type Kysely, sql } from 'kysely'

/**
 * `store_telemetry`: a batch of readings in one statement, each stored exactly once. store-telemetry.ts explains it.
 * `enable_seqscan = off`: a connection that plans while the tables are small would keep on reading them whole.
 * `p_values` and `p_quality` are lines of JSON, which is quicker to read than an array of texts; an empty line is null.
 * The caller gives each (machine, seq) once. `p_tag_set`: of the reading's tags, as in machine_state, where the machine's
 * other readings of the batch add nothing to it; else null.
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
create aggregate jsonb_merge(jsonb) (sfunc = jsonb_concat, stype = jsonb, initcond = '{}');

create function store_telemetry(p_tenant uuid[], p_machine uuid[], p_seq int8[], p_ts int8[], p_received_at int8[],
  p_values text, p_quality text, p_tag_set uuid[], p_oldest int8)
returns table(idx int, outcome text, machine uuid, state jsonb, revision int8, unchanged int[]) language plpgsql volatile
set plan_cache_mode = force_generic_plan set enable_seqscan = off as $f$
declare
 lines text[] := string_to_array(p_values, E'\\n');
 quality_lines text[] := string_to_array(p_quality, E'\\n', '');
 now_us int8;
 is_quick bool;
 -- Readings by their place in the batch.
 rest int[] := array(select generate_series(1, cardinality(p_machine))); -- still to be dealt with
 others int[]; -- not all new in the open block
 not_new int[];
 done int[];
 late int[];
 mixed int[];
 all_late int[]; -- their machine's state stays
 all_mixed int[]; -- their machine's state is theirs and what older ones say of other tags
begin
 -- Ascending, so that two batches never wait for each other; held to commit. The next statement's snapshot is taken
 -- after the lock, so it sees all that other batches have stored for these machines.
 perform pg_advisory_xact_lock(7001, b.bucket) from (select distinct get_byte(uuid_send(m), 15) as bucket from unnest(p_machine) m order by 1) b;
 now_us := (extract(epoch from clock_timestamp()) * 1000000)::int8; -- grows from one holder of the lock to the next

 -- The quick pass is for batches with one reading of each machine. It stores those of which the machine's row says all: they are new in
 -- its open block, and newer than its state, or late and with just the tags of its newest reading. The other pass stores the rest.
 foreach is_quick in array array[true, false] loop
  if is_quick then
   continue when array_position(p_tag_set, null) is not null;
  else
   exit when rest is null;

   with blocks as materialized (
    select p_machine[r.idx] as machine_id, p_seq[r.idx] >> 10 as block, count(*) as total,
       bit_or(set_bit(0::bit(1024), (p_seq[r.idx] & 1023)::int, 1)) filter (where p_ts[r.idx] >= p_oldest) as incoming
    from unnest(rest) r(idx) group by 1, 2
   ), all_new as ( -- the common case: an open block that knows none of these seqs
    update machine_state s set open_received = s.open_received | b.incoming
    from blocks b
    where s.machine_id = b.machine_id and s.open_block = b.block and (s.open_received & b.incoming) = 0::bit(1024) and bit_count(b.incoming) = b.total
    returning s.machine_id, s.open_block
   )
   select array_agg(r.idx) from unnest(rest) r(idx)
   where (p_machine[r.idx], p_seq[r.idx] >> 10) not in (select n.machine_id, n.open_block from all_new n)
   into others;

   if others is not null then
    with newest as ( -- a block after all others of its machine is open from now on
     select p_machine[r.idx] as machine_id, max(p_seq[r.idx] >> 10) as block from unnest(others) r(idx) where p_ts[r.idx] >= p_oldest group by 1
    ), turned as materialized (
     select s.tenant_id, s.machine_id, s.open_block, s.open_received, s.open_repeats, n.block
     from newest n join machine_state s on s.machine_id = n.machine_id
     where n.block > coalesce(s.open_block, (select max(c.block) from closed_blocks c where c.machine_id = n.machine_id), -1)
    ), closed as (
     insert into closed_blocks (tenant_id, machine_id, block, received, repeats)
     select t.tenant_id, t.machine_id, t.open_block, t.open_received, t.open_repeats from turned t where t.open_block is not null
    )
    update machine_state s set open_block = t.block, open_received = 0::bit(1024), open_repeats = 0
    from turned t where s.machine_id = t.machine_id;

    with blocks as materialized ( -- null where nothing is of a hot day
     select p_tenant[r.idx] as tenant_id, p_machine[r.idx] as machine_id, p_seq[r.idx] >> 10 as block, count(*) as total,
        bit_or(set_bit(0::bit(1024), (p_seq[r.idx] & 1023)::int, 1)) filter (where p_ts[r.idx] >= p_oldest) as incoming
     from unnest(others) r(idx) group by 1, 2, 3
    ), known as (
     select b.*, coalesce(s.open_received, c.received) as received, s.machine_id is not null as is_open
     from blocks b left join machine_state s on s.machine_id = b.machine_id and s.open_block = b.block
     left join closed_blocks c on c.machine_id = b.machine_id and c.block = b.block
    ), judged as materialized (
     select k.*, coalesce(k.incoming & ~coalesce(k.received, 0::bit(1024)), 0::bit(1024)) as fresh from known k
    ), open as (
     update machine_state s set open_received = s.open_received | j.fresh, open_repeats = s.open_repeats + j.total - bit_count(j.fresh)
     from judged j where j.is_open and s.machine_id = j.machine_id
    ), closed as (
     insert into closed_blocks as c (tenant_id, machine_id, block, received, repeats)
     select j.tenant_id, j.machine_id, j.block, j.fresh, j.total - bit_count(j.fresh) from judged j
     where not j.is_open and (j.received is not null or bit_count(j.fresh) > 0)
     on conflict (machine_id, block) do update set received = c.received | excluded.received, repeats = c.repeats + excluded.repeats
    )
    select array_agg(r.idx) from unnest(others) r(idx)
    join judged j on j.machine_id = p_machine[r.idx] and j.block = p_seq[r.idx] >> 10
    where bit_count(j.fresh) < j.total and get_bit(j.fresh, (p_seq[r.idx] & 1023)::int) = 0
    into not_new;
   end if;
   rest := array(select r.idx from unnest(rest) r(idx) where r.idx not in (select unnest(not_new)));
  end if;

  with input as materialized (
   select r.idx, p_tenant[r.idx] as tenant_id, p_machine[r.idx] as machine_id, p_seq[r.idx] as seq, p_ts[r.idx] as ts,
      p_received_at[r.idx] as received_at, p_tag_set[r.idx] as tag_set, lines[r.idx]::jsonb as values, quality_lines[r.idx]::jsonb as quality
   from unnest(rest) r(idx)
  ), replaced as ( -- the common case; a late reading with just the tags of the newest one says nothing of the state
   update machine_state s set last_seen_at = greatest(s.last_seen_at, i.received_at),
      open_received = case when is_quick then set_bit(s.open_received, (i.seq & 1023)::int, 1) else s.open_received end,
      ts = case when (i.ts, i.seq) > (s.ts, s.seq) then i.ts else s.ts end,
      seq = case when (i.ts, i.seq) > (s.ts, s.seq) then i.seq else s.seq end,
      received_at = case when (i.ts, i.seq) > (s.ts, s.seq) then i.received_at else s.received_at end,
      tag_set = i.tag_set,
      values = case when (i.ts, i.seq) < (s.ts, s.seq) then s.values when s.tag_set = i.tag_set and s.older_tags is null then i.values
       else s.values || i.values end,
      quality = case when s.quality is null and i.quality is null then null when (i.ts, i.seq) < (s.ts, s.seq) then s.quality else (
       select jsonb_object_agg(q.tag, q.value) from (select * from jsonb_each(s.quality) as b(tag, value) where not i.values ? b.tag
        union all select * from jsonb_each(i.quality)) q) end,
      older_tags = case when s.tag_set = i.tag_set or (i.ts, i.seq) < (s.ts, s.seq) then s.older_tags else (
       select jsonb_object_agg(t.tag, t.stamp) from (select k.tag, jsonb_build_array(s.ts, s.seq) as stamp from jsonb_object_keys(s.values) k(tag)
        union all select * from jsonb_each(s.older_tags)) t where not i.values ? t.tag) end,
      revision = case when (i.ts, i.seq) > (s.ts, s.seq) then now_us else s.revision end
   from input i
   where s.machine_id = i.machine_id and (s.tag_set = i.tag_set or i.tag_set is not null and (i.ts, i.seq) > (s.ts, s.seq)) and (not is_quick
    or s.open_block = i.seq >> 10 and get_bit(s.open_received, (i.seq & 1023)::int) = 0 and i.ts >= p_oldest)
   returning i.idx, s.seq <> i.seq as is_late, s.seq = i.seq and s.older_tags is not null as is_mixed
  ), stored as (
   insert into telemetry_events (tenant_id, machine_id, ts, seq, received_at, values, quality)
   select i.tenant_id, i.machine_id, i.ts, i.seq, i.received_at, i.values, i.quality
   from input i where not is_quick or i.idx in (select r.idx from replaced r)
  )
  select array_agg(r.idx), array_agg(r.idx) filter (where r.is_late), array_agg(r.idx) filter (where r.is_mixed) from replaced r
  into done, late, mixed;
  all_late := all_late || late;
  all_mixed := all_mixed || mixed;
  if cardinality(done) = cardinality(rest) then
   rest := null;
  elsif done is not null then
   rest := (select array_agg(r.idx) from unnest(rest) r(idx) where p_machine[r.idx] not in (select p_machine[n.idx] from unnest(done) n(idx)));
  end if;
 end loop;

 if (select min(t) from unnest(p_ts) t) < now_us / 3600000000 * 3600000 then -- an hour that is over may have been rolled up already
  insert into rollup_queue (tenant_id, machine_id, hour)
  select distinct p_tenant[r.idx], p_machine[r.idx], r.ts / 3600000 from unnest(p_ts) with ordinality as r(ts, idx)
  where r.ts < now_us / 3600000000 * 3600000 and r.idx not in (select unnest(not_new));
 end if;

 if cardinality(rest) > 0 then -- all other new readings, with the state that they meet
  return query
  with met as (
   select p_machine[r.idx] as machine_id, p_tenant[r.idx] as tenant_id, p_ts[r.idx] as ts, p_seq[r.idx] as seq,
      p_received_at[r.idx] as received_at, lines[r.idx]::jsonb as values, quality_lines[r.idx]::jsonb as quality, s.ts as state_ts, s.seq as state_seq, s.received_at as state_received_at,
      -- Unpacked once: a large value is else unpacked for each tag that is looked up in it.
      s.values || '{}' as state_values, s.quality || '{}' as state_quality, s.older_tags || '{}' as state_older_tags
   from unnest(rest) r(idx) left join machine_state s on s.machine_id = p_machine[r.idx]
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
      md5((select string_agg(k.tag, ',' order by k.tag collate "C") from jsonb_object_keys(m.values) k(tag) where (m.older_tags ? k.tag) is not true))::uuid,
      m.seen_at, now_us
   from merged m
   on conflict (machine_id) do update set last_seen_at = greatest(s.last_seen_at, excluded.last_seen_at),
    (ts, seq, received_at, values, quality, older_tags, tag_set, revision) = (excluded.ts, excluded.seq, excluded.received_at,
     excluded.values, excluded.quality, excluded.older_tags, excluded.tag_set, excluded.revision)
  )
  select null::int, null, o.machine_id, null::jsonb, now_us, null::int[] from sorted o where o.says_nothing and o.rank = 1
  union all
  select null, null, m.machine_id, jsonb_build_object('timestamp', m.ts, 'seq', m.seq, 'receivedAt', m.received_at,
    'values', m.values, 'quality', m.quality), now_us, null from merged m;
 end if;

 if all_mixed is not null then
  return query
  select null::int, null, s.machine_id, jsonb_build_object('timestamp', s.ts, 'seq', s.seq, 'receivedAt', s.received_at,
    'values', s.values, 'quality', s.quality), now_us, null::int[]
  from unnest(all_mixed) m(idx) join machine_state s on s.machine_id = p_machine[m.idx];
 end if;

 -- The caller knows the state of each other machine: it is the whole reading. Of these it gets the revision.
 return query select null::int, null, null::uuid, null::jsonb, now_us, all_late;

 if not_new is not null then -- its plan opens all partitions, which takes longer than all of the above does for ten readings
  return query
  select r.idx, case
    when p_ts[r.idx] < p_oldest then
     case when get_bit(l.received, (p_seq[r.idx] & 1023)::int) = 1 then 'duplicate' else 'timestamp_too_old' end
    when row(e.values, e.quality) is not distinct from row(lines[r.idx]::jsonb, quality_lines[r.idx]::jsonb) then 'duplicate'
    else 'seq_conflict' end, null::uuid, null::jsonb, now_us, null::int[]
  from unnest(not_new) r(idx)
  left join machine_ledger l on l.machine_id = p_machine[r.idx] and l.block = p_seq[r.idx] >> 10
  left join telemetry_events e on e.machine_id = p_machine[r.idx] and e.ts = p_ts[r.idx] and e.seq = p_seq[r.idx];
 end if;
end $f$;
`.execute(db)
}
