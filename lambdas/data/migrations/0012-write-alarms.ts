import { type Kysely, sql } from 'kysely'

/** What ingest and the sweep ask and write about alarms in the transaction of a batch: a statement each. */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
-- Locks the machines of a batch as store_telemetry does, and tells what is known of them: conditions that are not normal,
-- the newest reading of p_newest, the values before of p_values.
create function alarm_context(p_machine uuid[], p_newest uuid[], p_values uuid[])
returns table(machine_id uuid, ts int8, seq int8, received_at int8, "values" jsonb, quality jsonb, older_tags jsonb,
  rule_id uuid, source text, phase text, since int8, ending_since int8, value jsonb)
language plpgsql volatile set plan_cache_mode = force_generic_plan as $f$
begin
  perform pg_advisory_xact_lock(7001, b.bucket) from (select distinct get_byte(uuid_send(m), 15) as bucket from unnest(p_machine) m order by 1) b;
  return query
  select c.machine_id, null::int8, null::int8, null::int8, null::jsonb, null::jsonb, null::jsonb, c.rule_id, c.source, c.phase, c.since,
    c.ending_since, c.value
  from alarm_conditions c where c.machine_id = any(p_machine);
  if cardinality(p_newest) > 0 or cardinality(p_values) > 0 then
    return query
    select s.machine_id, s.ts, s.seq, s.received_at, case when s.machine_id = any(p_values) then s.values end, s.quality, s.older_tags,
      null::uuid, null, null, null::int8, null::int8, null::jsonb
    from machine_state s where s.machine_id = any(p_newest || p_values);
  end if;
end $f$;

-- Stores readings that meet no condition, in one statement, unless a machine of theirs has a condition that is not normal: then it
-- stores nothing and names the machines. It looks after the lock, so that it sees what whoever held it before has written.
create function store_calm_telemetry(p_tenant uuid[], p_machine uuid[], p_seq int8[], p_ts int8[], p_received_at int8[],
  p_values text, p_quality text, p_tag_set uuid[], p_oldest int8)
returns table(idx int, outcome text, machine uuid, state jsonb, revision int8, unchanged int[]) language plpgsql volatile
set plan_cache_mode = force_generic_plan as $f$
begin
  perform pg_advisory_xact_lock(7001, b.bucket) from (select distinct get_byte(uuid_send(m), 15) as bucket from unnest(p_machine) m order by 1) b;
  return query
  select distinct null::int, 'has_conditions', c.machine_id, null::jsonb, 0::int8, null::int[]
  from alarm_conditions c where c.machine_id = any(p_machine);
  if not found then
    return query
    select * from store_telemetry(p_tenant, p_machine, p_seq, p_ts, p_received_at, p_values, p_quality, p_tag_set, p_oldest);
  end if;
end $f$;

-- Writes what has come of rules at their sources; p_changes as write-alarm-changes.ts has it. Event by event, so that it does not
-- matter how batches were cut. A rule that was changed since is left out: the lock holds off who changes it now.
create function write_alarm_changes(p_changes jsonb)
returns table(alarm_id uuid, outbox_id uuid) language plpgsql volatile as $f$
declare
  c record;
  e record;
  a alarms%rowtype;
begin
  perform r.id from alarm_rules r
  where r.id in (select (x ->> 'ruleId')::uuid from jsonb_array_elements(p_changes) x) order by r.id for share;
  for c in
    select r.*, x.source, x."plantId" as source_plant_id, x."machineId" as machine_id, x."gatewayId" as gateway_id, x."sourceTag" as source_tag,
      x.state, x.events
    from jsonb_to_recordset(p_changes) x("ruleId" uuid, version int8, source text, "plantId" uuid, "machineId" uuid, "gatewayId" uuid,
      "sourceTag" text, state jsonb, events jsonb)
    join alarm_rules r on r.id = x."ruleId" and r.version = x.version and r.enabled
    order by r.id, x.source
  loop
    if c.state is null or c.state = 'null' then
      delete from alarm_conditions k where k.rule_id = c.id and k.source = c.source;
    else
      insert into alarm_conditions as k (rule_id, source, tenant_id, machine_id, phase, since, ending_since, value)
      values (c.id, c.source, c.tenant_id, c.machine_id, c.state ->> 'phase', (c.state ->> 'since')::int8,
        (c.state ->> 'endingSince')::int8, c.state -> 'value')
      on conflict (rule_id, source) do update set phase = excluded.phase, since = excluded.since,
        ending_since = excluded.ending_since, value = excluded.value;
    end if;

    for e in select * from jsonb_to_recordset(c.events) x(id uuid, type text, at int8, value jsonb, message text) loop
      select * into a from alarms o where o.rule_id = c.id and o.source = c.source and o.closed_at is null for update;
      if e.type = 'raised' then
        if a.id is null then
          insert into alarms (id, tenant_id, plant_id, rule_id, rule_name, source, machine_id, gateway_id, tag, condition, severity,
            message, value, raised_at, occurrences, revision)
          values (e.id, c.tenant_id, c.source_plant_id, c.id, c.name, c.source, c.machine_id, c.gateway_id, c.source_tag, c.condition,
            c.severity, e.message, e.value, e.at, 1, 1)
          returning * into a;
        elsif a.cleared_at is not null then
          update alarms o set raised_at = e.at, cleared_at = null, occurrences = o.occurrences + 1, acknowledged_at = null,
            acknowledged_by = null, comment = null, rule_name = c.name, condition = c.condition, severity = c.severity, message = e.message,
            value = e.value, revision = o.revision + 1
          where o.id = a.id returning * into a;
        else
          continue; -- it is there already
        end if;
      else
        if a.id is null or a.cleared_at is not null then
          continue;
        end if;
        update alarms o set cleared_at = e.at, revision = o.revision + 1,
          closed_at = case when o.acknowledged_at is not null and o.suppressed is null then e.at end
        where o.id = a.id returning * into a;
      end if;
      insert into alarm_events (id, tenant_id, alarm_id, at, event, value)
      values (e.id, c.tenant_id, a.id, e.at, e.type, e.value);
      alarm_id := a.id;
      outbox_id := null;
      if a.suppressed is null then
        insert into alarm_outbox (id, tenant_id, plant_id, alarm_id, type, created_at)
        values (e.id, c.tenant_id, c.source_plant_id, a.id, e.type, (extract(epoch from clock_timestamp()) * 1000)::int8);
        outbox_id := e.id;
      end if;
      return next;
    end loop;
  end loop;
end $f$;

-- Conditions that were met in data that came late, by the hour of its timestamps; adding up does not depend on the order.
create function note_late_alarms(p_notes jsonb) returns setof uuid language sql volatile as $f$
  insert into alarms as o (id, tenant_id, plant_id, rule_id, rule_name, source, machine_id, tag, condition, severity, message, value,
    raised_at, cleared_at, closed_at, occurrences, late_hour, revision)
  select x.id, r.tenant_id, x."plantId", r.id, r.name, x.source, x."machineId", x."sourceTag", r.condition, r.severity, x.message, x.value,
    x."from", x."to", x."to", x.count, x."from" / 3600000, 1
  from jsonb_to_recordset(p_notes) x(id uuid, "ruleId" uuid, version int8, source text, "plantId" uuid, "machineId" uuid,
    "sourceTag" text, message text, value jsonb, "from" int8, "to" int8, count int8)
  join alarm_rules r on r.id = x."ruleId" and r.version = x.version and r.enabled
  order by r.id, x.source, x."from"
  on conflict (rule_id, source, late_hour) where late_hour is not null do update set
    raised_at = least(o.raised_at, excluded.raised_at), cleared_at = greatest(o.cleared_at, excluded.cleared_at),
    closed_at = greatest(o.closed_at, excluded.closed_at), occurrences = o.occurrences + excluded.occurrences,
    value = case when excluded.raised_at < o.raised_at then excluded.value else o.value end,
    message = case when excluded.raised_at < o.raised_at then excluded.message else o.message end, revision = o.revision + 1
  returning o.id
$f$;
`.execute(db)
}
