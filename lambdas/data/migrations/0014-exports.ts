import { type Kysely, sql } from 'kysely'

/** Files that people have asked for; lambdas/exports/ makes them. iot_exports sees one tenant at a time, as iot_api does. */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
create table exports (
  id uuid primary key,
  tenant_id uuid not null references tenants,
  machine_id uuid not null references machines,
  user_id uuid not null,
  format text not null check (format in ('csv', 'parquet')),
  tags text[] not null,
  from_ts int8 not null,
  to_ts int8 not null,       -- not included
  created_at int8 not null,
  asked_at int8 not null,    -- when the worker was told of it, last time
  busy_until int8,           -- somebody works on it
  percent int2 not null default 0,
  rows int8,
  bytes int8,
  finished_at int8,
  failure text check (failure in ('too_large', 'not_finished'))
);
create index exports_by_time on exports (tenant_id, created_at, id);

grant usage on schema public to iot_exports;
grant select, insert on exports to iot_api;
grant update (asked_at) on exports to iot_api;
grant select on tenants, plants, machines, telemetry_events, archive_days, archive_files, exports to iot_exports;
grant select on rollup_progress to iot_exports;
grant update (busy_until, percent, rows, bytes, finished_at, failure) on exports to iot_exports;
grant select on exports to iot_admin;

alter table exports enable row level security;
create policy every_tenant on exports for select to iot_admin using (true);
do $do$
declare
  tab text;
begin
  foreach tab in array array['tenants', 'plants', 'machines', 'telemetry_events', 'archive_days', 'archive_files', 'exports'] loop
    execute format($p$create policy own_tenant_of_export on %I to iot_exports
      using (%I = (select nullif(current_setting('app.tenant_id', true), '')::uuid))$p$, tab,
      case tab when 'tenants' then 'id' else 'tenant_id' end);
  end loop;
end $do$;
create policy own_tenant on exports to iot_api
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
`.execute(db)
}
