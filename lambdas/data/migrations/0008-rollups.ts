import { type Kysely, sql } from 'kysely'

/**
 * What history reads beyond a few hours: a row per machine, tag, hour and kind of value, with an array of 60 minutes.
 * tag-series.ts says what is counted, roll-up.ts how a row comes about and why no late reading is ever missing from it.
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
create table rollups (
  tenant_id uuid not null,
  machine_id uuid not null,
  tag text collate "C" not null,
  hour int8 not null,              -- epoch ms / 3,600,000
  kind text not null check (kind in ('number', 'boolean', 'string', 'bad')),
  count int4 not null,             -- readings with a value of this kind; bad: with none
  -- Numbers and booleans (false 0, true 1), of the hour and of each of its minutes: null where there is none.
  min float8,
  max float8,
  sum float8,                      -- booleans: ms for which it was true
  last float8,
  known_ms int4,                   -- booleans: ms for which it was known
  minute_count int4[],
  minute_min float8[],
  minute_max float8[],
  minute_sum float8[],
  minute_last float8[],
  minute_known_ms int4[],
  -- Strings: when, in ms since the hour began, it changed, and to what (null: not known from then on).
  change_ms int4[],
  change_to text[],
  last_ms int4,                    -- of the last reading
  primary key (machine_id, tag, hour, kind)
);
create index rollups_by_hour on rollups using brin (hour);

-- (machine, hour) whose readings have changed since they were last rolled up; many rows for the same one are usual.
create table rollup_queue (
  tenant_id uuid not null,
  machine_id uuid not null,
  hour int8 not null
);
create index rollup_queue_by_hour on rollup_queue (hour, machine_id);

-- One row: every hour before this one has been put on the queue once it was over.
create table rollup_progress (
  hour int8 not null,
  dropped_before int4 not null default 0, -- UTC days (since 1970-01-01) before this one were dropped: they hold what has come since, if anything
  single boolean primary key default true check (single)
);
insert into rollup_progress (hour)
select coalesce(
  (select extract(epoch from to_date(min(right(inhrelid::regclass::text, 8)), 'YYYYMMDD'))::int8 / 3600
   from pg_inherits where inhparent = 'telemetry_events'::regclass),
  extract(epoch from now())::int8 / 3600);

grant usage on schema public to iot_rollup;
grant select (tenant_id, machine_id, ts) on machine_state to iot_rollup;
grant select on telemetry_events to iot_rollup;
grant select, insert, update on rollups to iot_rollup;
grant select, insert, delete on rollup_queue to iot_rollup;
grant select, update on rollup_progress to iot_rollup;
grant insert on rollup_queue to iot_ingest;
grant select on rollups, rollup_queue, rollup_progress to iot_api;

alter table rollups enable row level security;
alter table rollup_queue enable row level security;
create policy every_tenant on rollups to iot_rollup using (true) with check (true);
create policy every_tenant on rollup_queue to iot_rollup, iot_ingest using (true) with check (true);
create policy rolled_up on telemetry_events for select to iot_rollup using (true);
create policy rolled_up on machine_state for select to iot_rollup using (true);
create policy own_tenant on rollups to iot_api using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
create policy own_tenant on rollup_queue to iot_api using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
`.execute(db)
  // Inline and compressed: out of line would cost reads of its own for each hour.
  for (const column of ['count', 'min', 'max', 'sum', 'last', 'known_ms'])
    await sql`alter table rollups alter column ${sql.id(`minute_${column}`)} set storage main`.execute(db)
}
