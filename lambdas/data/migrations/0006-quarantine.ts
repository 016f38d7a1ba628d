import { type Kysely, sql } from 'kysely'

/**
 * Dead letters as people see them. `tenant_id` is null when the topic names no known tenant: such a row is nobody's but
 * the platform team's, and no policy of iot_api shows it. iot_quarantine moves messages between queues and this table, and
 * reaches nothing else.
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
create table quarantine (
  id uuid primary key,
  message_id text not null unique,      -- SQS's: a message that is delivered twice is one row
  tenant_id uuid references tenants,
  plant_id uuid references plants,      -- null when the topic names no known plant
  queue text not null check (queue in ('telemetry', 'status')), -- where a redrive puts it
  code text not null,
  message text not null,
  topic text,
  machine text,
  thing_name text,
  received_at int8,
  quarantined_at int8 not null,
  redrive_at int8,                      -- when a redrive was asked for
  body bytea not null,                  -- of the queue message, untouched
  payload_bytes int4 not null,
  payload_head bytea not null           -- the first bytes of what was published: what a list shows, without reading body
);
create index quarantine_by_time on quarantine (tenant_id, quarantined_at, id);
create index quarantine_by_code on quarantine (tenant_id, code, quarantined_at, id);
create index quarantine_by_machine on quarantine (tenant_id, machine, quarantined_at, id);
create index quarantine_to_redrive on quarantine (redrive_at, id) where redrive_at is not null;

grant usage on schema public to iot_quarantine;
grant select on tenants, plants to iot_quarantine;
grant select, insert, delete on quarantine to iot_quarantine;
grant update (redrive_at) on quarantine to iot_quarantine; -- for the lock of a row that is on its way
grant select, delete on quarantine to iot_api;
grant update (redrive_at) on quarantine to iot_api;
grant select on quarantine to iot_admin;
grant update (redrive_at) on quarantine to iot_admin;

alter table quarantine enable row level security;
create policy every_tenant on quarantine to iot_quarantine using (true) with check (true);
create policy own_tenant on quarantine to iot_api
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
create policy of_no_tenant on quarantine to iot_admin using (tenant_id is null);
create policy every_tenant_to_quarantine on tenants to iot_quarantine using (true);
create policy every_tenant_to_quarantine on plants to iot_quarantine using (true);
`.execute(db)
}
