import { type Kysely, sql } from 'kysely'

/**
 * What heartbeats that do not come mean, the trend of those that did, and the history of each gateway's connection.
 * A row of gateway_connections is a change and holds until the next one: nothing has to be closed, and a change that
 * proves wrong is taken away without a trace.
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
alter table gateways drop constraint gateways_connection_check;
alter table gateways add constraint gateways_connection_check
  check (connection in ('never', 'online', 'offline', 'stale', 'unknown'));
alter table gateways add column heartbeats jsonb not null default '[]';  -- the newest ten, see heartbeats.ts

create table gateway_connections (
  tenant_id uuid not null,
  gateway_id uuid not null references gateways on delete cascade,
  at int8 not null,               -- broker's clock
  connection text not null check (connection in ('online', 'offline', 'stale', 'unknown')),
  reason text,
  session_id text,
  restarted bool not null,        -- the gateway's program had begun anew
  primary key (gateway_id, at)
);
create index gateway_connections_by_time on gateway_connections (at);

insert into gateway_connections (tenant_id, gateway_id, at, connection, reason, session_id, restarted)
select tenant_id, id, status_at, connection, reason, session_id, false from gateways where status_at is not null;

grant update (heartbeats) on gateways to iot_ingest;
grant select, insert, update, delete on gateway_connections to iot_ingest;
grant select on gateway_connections to iot_api, iot_admin;
alter table gateway_connections enable row level security;
create policy every_tenant on gateway_connections to iot_ingest, iot_admin using (true) with check (true);
create policy own_tenant on gateway_connections to iot_api
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
`.execute(db)
}
