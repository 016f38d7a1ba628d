import { type Kysely, sql } from 'kysely'

/**
 * What each role may do. iot_api sees one tenant at a time, the one that inTenant() has set: a second wall behind the
 * filters of its queries. iot_ingest and iot_admin work for all tenants. Partitions are granted to nobody: they are
 * reached through their parent, which carries the policy.
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
grant usage on schema public to iot_ingest, iot_api, iot_admin;

grant select on tenants, plants, gateways, machines to iot_ingest;
grant insert on machines to iot_ingest;
grant update (gateway_id, units) on machines to iot_ingest;
grant update (lifecycle, connection, reason, session_id, status_at, last_seen_at, clock_skew_ms, status) on gateways to iot_ingest;
grant select, insert on telemetry_events to iot_ingest;
grant select, insert, update on closed_blocks, machine_state to iot_ingest;
grant select on machine_ledger to iot_ingest;
grant execute on function ensure_partitions(date, date) to iot_ingest;

grant select on tenants, telemetry_events, closed_blocks, machine_state, machine_ledger to iot_api;
grant select, insert, update on plants, machines, enrolments to iot_api;
grant select, insert, update, delete on gateways, gateway_certificates, users to iot_api;
grant select, insert on audit_log to iot_api;
grant select, insert, update, delete on idempotency_keys to iot_api;

grant select, insert, update on tenants, plants, users to iot_admin;
grant select, insert, update on machines, gateways, enrolments to iot_admin;
grant select, insert on audit_log to iot_admin;

do $do$
declare
  tab text;
begin
  foreach tab in array array['tenants', 'plants', 'machines', 'gateways', 'gateway_certificates', 'users', 'enrolments',
    'telemetry_events', 'closed_blocks', 'machine_state', 'audit_log', 'idempotency_keys'] loop
    execute format('alter table %I enable row level security', tab);
    execute format('create policy every_tenant on %I to iot_ingest, iot_admin using (true) with check (true)', tab);
    execute format($p$create policy own_tenant on %I to iot_api
      using (%I = (select nullif(current_setting('app.tenant_id', true), '')::uuid))$p$, tab,
      case tab when 'tenants' then 'id' else 'tenant_id' end);
  end loop;
end $do$;

-- What must be found before the tenant is known. Owned by master, whom row security does not bind.
create function find_user(p_firebase_uid text)
returns table (id uuid, tenant_id uuid, tenant_slug text, tenant_name text, email text, role text, all_plants boolean,
  plant_ids uuid[], locale text, disabled_at int8, sessions_valid_after int8, last_seen_at int8)
language sql stable security definer set search_path = public, pg_temp as $f$
  select u.id, u.tenant_id, t.slug, t.name, u.email, u.role, u.all_plants, u.plant_ids, u.locale,
    coalesce(u.disabled_at, t.disabled_at), u.sessions_valid_after, u.last_seen_at
  from users u join tenants t on t.id = u.tenant_id
  where u.firebase_uid = p_firebase_uid
$f$;

create function find_enrolment(p_token_hash bytea)
returns table (id uuid, tenant_id uuid, gateway_id uuid, expires_at int8)
language sql stable security definer set search_path = public, pg_temp as $f$
  select e.id, e.tenant_id, e.gateway_id, e.expires_at from enrolments e where e.token_hash = p_token_hash
$f$;

create function find_certificate(p_certificate_id text)
returns table (tenant_id uuid, gateway_id uuid, thing_name text, state text, certificate_pem text)
language sql stable security definer set search_path = public, pg_temp as $f$
  select c.tenant_id, c.gateway_id, g.thing_name, c.state, c.certificate_pem
  from gateway_certificates c join gateways g on g.id = c.gateway_id
  where c.certificate_id = p_certificate_id
$f$;

revoke all on function find_user(text), find_enrolment(bytea), find_certificate(text) from public;
grant execute on function find_user(text), find_enrolment(bytea), find_certificate(text) to iot_api;
`.execute(db)
}
