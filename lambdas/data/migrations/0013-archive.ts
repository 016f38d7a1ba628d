import { type Kysely, sql } from 'kysely'

/**
 * What of the readings is in the archive; lambdas/archive/ explains how it gets there. `day`: days since 1970-01-01, UTC.
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
-- Days that are in the archive, or are being put there.
create table archive_days (
  tenant_id uuid not null references tenants,
  day int4 not null,
  busy_until int8,        -- somebody works on it
  archived_at int8,       -- when all that was stored by then was in the archive, last time
  has_late_files bool not null default false, -- written after that, and not compacted yet
  verified_at int8,       -- when it was read back and counted, after the last reading that could come
  primary key (tenant_id, day)
);

-- Machines whose readings of a day are not all in the archive. Made by the rollup job, one more change with each hour.
create table archive_queue (
  tenant_id uuid not null,
  machine_id uuid not null,
  day int4 not null,
  changes int8 not null default 1,
  primary key (machine_id, day)
);
create index archive_queue_by_day on archive_queue (day, tenant_id);

-- The manifest. A file that is not named here is no part of the archive.
create table archive_files (
  id uuid primary key,
  tenant_id uuid not null references tenants,
  day int4 not null,
  -- live: stands in the table that is queried. staged: will replace the live ones, with others that are not written yet.
  -- publishing: replaces them, and is being moved to where they stood.
  state text not null check (state in ('live', 'staged', 'publishing')),
  messages int8 not null,
  samples int8 not null,
  bytes int8 not null,
  sha256 bytea not null,
  created_at int8 not null,
  last_machine_id uuid not null,  -- of its last message, as are ts and seq: where the next file begins
  last_ts int8 not null,
  last_seq int8 not null
);
create index archive_files_by_day on archive_files (tenant_id, day);

-- Seqs that are in the archive, so that none gets there twice; until the day is dropped.
create table archived_seqs (
  tenant_id uuid not null,
  machine_id uuid not null,
  day int4 not null,
  seqs int8multirange not null,
  primary key (machine_id, day)
);
create index archived_seqs_by_day on archived_seqs (day);

grant usage on schema public to iot_archive;
grant select on tenants, plants, machines, telemetry_events, rollup_progress, rollup_queue to iot_archive;
grant select, insert, update, delete on archive_days, archive_queue, archive_files, archived_seqs to iot_archive;
grant insert, update, select on archive_queue to iot_rollup;
grant select on archive_files, archive_days to iot_admin;

do $do$
declare
  tab text;
begin
  foreach tab in array array['archive_days', 'archive_queue', 'archive_files', 'archived_seqs'] loop
    execute format('alter table %I enable row level security', tab);
    execute format($p$create policy own_tenant on %I to iot_api
      using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))$p$, tab);
  end loop;
  foreach tab in array array['tenants', 'plants', 'machines', 'telemetry_events', 'rollup_queue', 'archive_days',
    'archive_queue', 'archive_files', 'archived_seqs'] loop
    execute format('create policy to_archive on %I to iot_archive using (true) with check (true)', tab);
  end loop;
end $do$;
create policy changed on archive_queue to iot_rollup using (true) with check (true);
create policy every_tenant on archive_files for select to iot_admin using (true);
create policy every_tenant on archive_days for select to iot_admin using (true);
`.execute(db)
}
