import { type Kysely, sql } from 'kysely'

/** Tenants, their plants, machines, gateways and people. Ids are UUIDv7 made by the writer; times are epoch ms. */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
create table tenants (
  id uuid primary key,
  slug text not null unique,
  name text not null,
  created_at int8 not null,
  disabled_at int8,   -- nobody signs in, its gateways are refused
  deleting_at int8    -- all that is its own is being removed: there is no way back
);

create table plants (
  id uuid primary key,
  tenant_id uuid not null references tenants,
  province text not null,
  slug text not null,
  name text not null,
  time_zone text not null,
  created_at int8 not null,
  created_by uuid,
  updated_at int8 not null,
  updated_by uuid,
  unique (tenant_id, slug)
);

create table gateways (
  id uuid primary key,
  tenant_id uuid not null references tenants,
  plant_id uuid not null references plants,
  thing_name text not null unique,
  lifecycle text not null default 'created' check (lifecycle in ('created', 'enrolled', 'active', 'rotating', 'revoked')),
  busy_until int8,    -- somebody changes it in AWS IoT
  delete_requested_at int8,
  previous_plant_id uuid references plants,
  moved_at int8,      -- what comes under the previous plant is taken for some minutes more
  created_at int8 not null,
  created_by uuid,
  connection text not null default 'never' check (connection in ('never', 'online', 'offline')),
  reason text,
  session_id text,
  status_at int8,     -- the broker's receivedAt of the status shown
  last_seen_at int8,
  clock_skew_ms int8,
  status jsonb        -- payload of the last heartbeat
);
create index gateways_by_plant on gateways (tenant_id, plant_id, thing_name);

create table machines (
  id uuid primary key,
  tenant_id uuid not null references tenants,
  plant_id uuid not null references plants,
  slug text not null,
  name text,
  status text not null default 'pending' check (status in ('pending', 'active', 'retired')),
  gateway_id uuid references gateways on delete set null,
  units jsonb not null default '{}',  -- tag -> unit
  created_at int8 not null,
  created_by uuid,                    -- null: made by ingest, as pending
  updated_at int8 not null,
  updated_by uuid,
  unique (plant_id, slug)
);
create index machines_by_tenant on machines (tenant_id, plant_id);

create table users (
  id uuid primary key,
  tenant_id uuid not null references tenants,
  firebase_uid text unique,                      -- null until the account at Firebase is made
  email text not null unique,
  role text not null check (role in ('viewer', 'plant_operator', 'manager', 'admin')),
  all_plants boolean not null,
  plant_ids uuid[] not null default '{}',
  locale text check (locale in ('en', 'es')),
  disabled_at int8,
  sessions_valid_after int8 not null default 0,  -- who has signed in before has to sign in again
  invited_at int8,                               -- last time
  last_seen_at int8,                             -- to the hour; null: has never been here
  created_at int8 not null,
  created_by uuid,                               -- null: by the platform team
  updated_at int8 not null,
  updated_by uuid
);
create index users_by_tenant on users (tenant_id);

create table enrolments (
  id uuid primary key,
  tenant_id uuid not null references tenants,
  gateway_id uuid not null references gateways on delete cascade,
  token_hash bytea not null unique,  -- SHA-256 of the token, which itself is not kept
  key_hash bytea,                    -- of the first key that came with the token: no other may use it
  expires_at int8 not null,
  used_at int8,
  created_at int8 not null,
  created_by uuid
);
create index enrolments_by_gateway on enrolments (gateway_id);

-- Certificates that AWS IoT has made, or may have made, for the keys of gateways. A key belongs to one gateway.
create table gateway_certificates (
  key_hash bytea primary key,  -- SHA-256 of the public key (SPKI): tells a certificate whose answer was lost
  tenant_id uuid not null references tenants,
  gateway_id uuid not null references gateways on delete cascade,
  state text not null check (state in ('requested', 'valid', 'ending')),
  certificate_id text unique,
  certificate_pem text,
  expires_at int8,
  requested_at int8 not null,
  check (state <> 'valid' or (certificate_id is not null and certificate_pem is not null and expires_at is not null))
);
create index gateway_certificates_by_gateway on gateway_certificates (gateway_id);

create table audit_log (
  id uuid primary key,
  tenant_id uuid not null references tenants,
  plant_id uuid,      -- null: shown to admins of all plants only
  at int8 not null,
  user_id uuid,
  action text not null,
  subject text not null,
  before jsonb,
  after jsonb,
  request_id text not null
);
create index audit_log_by_time on audit_log (tenant_id, at, id);

create table idempotency_keys (
  tenant_id uuid not null references tenants,
  user_id uuid not null,
  operation text not null,
  key_sha256 bytea not null,
  request_sha256 bytea not null,
  id uuid not null,          -- for what the request creates
  started_at int8 not null,
  answer bytea,              -- encrypted by the key, which is not kept: an answer may hold an enrolment token
  primary key (tenant_id, user_id, operation, key_sha256)
);
create index idempotency_keys_by_time on idempotency_keys (tenant_id, started_at);
`.execute(db)
}
