import { type Kysely, sql } from 'kysely'

/**
 * Alarms: what is watched for (rules), what holds at the moment (conditions), what people see (alarms) with its history
 * (events), and whom it is told to. Times are epoch ms by the readings' own clock; a source is a tag of a machine, a machine, a
 * gateway or a plant, as text, so that one unique index keeps the promise of one open alarm per rule and source.
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
alter table tenants add column alarm_rules_version int8 not null default 0;  -- +1 per change of a rule: what consumers remember is old

create table alarm_rules (
  id uuid primary key,
  tenant_id uuid not null references tenants,
  plant_id uuid references plants,        -- null: all plants
  name text not null,
  machine text not null,                  -- patterns, * is any characters
  tag text,
  condition jsonb not null,
  delay_on_ms int8 not null,
  delay_off_ms int8 not null,
  severity text not null check (severity in ('low', 'medium', 'high', 'critical')),
  message text,
  enabled bool not null,
  version int8 not null,                  -- of tenants.alarm_rules_version when it was last changed: a consumer that knows an older one writes nothing for it
  unsettled_since int8,                   -- the sweep has not yet looked with it at what machines last said
  created_at int8 not null,
  created_by uuid,
  updated_at int8 not null,
  updated_by uuid
);
create index alarm_rules_by_name on alarm_rules (tenant_id, name, id);

-- Only of what is not normal: a fleet that is well has no rows.
create table alarm_conditions (
  rule_id uuid not null references alarm_rules on delete cascade,
  source text not null,
  tenant_id uuid not null,
  machine_id uuid,
  phase text not null check (phase in ('pending', 'active')),
  since int8 not null,                    -- when it began to hold (pending), or became an alarm (active)
  ending_since int8,                      -- active, and it has ceased to hold: the alarm ends when the delay off is over
  value jsonb,
  primary key (rule_id, source)
);
create index alarm_conditions_by_machine on alarm_conditions (machine_id);

create table alarms (
  id uuid primary key,
  tenant_id uuid not null references tenants,
  plant_id uuid not null references plants,
  rule_id uuid not null,                  -- it may be gone
  rule_name text not null,
  source text not null,
  machine_id uuid,
  gateway_id uuid,
  tag text,
  condition jsonb not null,
  severity text not null,
  message text,                           -- the rule's own with its values; null where it has none
  value jsonb,
  raised_at int8 not null,
  cleared_at int8,                        -- null while it is active
  occurrences int8 not null,
  acknowledged_at int8,
  acknowledged_by text,                   -- e-mail address, here and below: this is history
  comment text,
  suppressed text check (suppressed in ('shelved', 'out_of_service')),
  suppressed_since int8,
  suppressed_until int8,
  suppressed_reason text,
  suppressed_by text,
  closed_at int8,
  late_hour int8,                         -- UTC hour of which data came late; null for all that were raised
  revision int8 not null                  -- grows with each change
);
create unique index alarms_one_open on alarms (rule_id, source) where closed_at is null;
create unique index alarms_one_late_note on alarms (rule_id, source, late_hour) where late_hour is not null;
create index alarms_by_time on alarms (tenant_id, raised_at, id);
create index alarms_open on alarms (tenant_id, plant_id) where closed_at is null;
create index alarms_closed on alarms (closed_at) where closed_at is not null;
create index alarms_shelved on alarms (suppressed_until) where suppressed = 'shelved';

create table alarm_events (
  id uuid primary key,
  tenant_id uuid not null,
  alarm_id uuid not null references alarms on delete cascade,
  at int8 not null,
  event text not null,
  value jsonb,
  user_id uuid,
  text text
);
create index alarm_events_by_alarm on alarm_events (alarm_id, at, id);

-- What is to be told, written in the transaction in which it became true.
create table alarm_outbox (
  id uuid primary key,
  tenant_id uuid not null,
  plant_id uuid,                          -- null: a test
  alarm_id uuid references alarms on delete cascade,
  type text not null check (type in ('raised', 'cleared', 'flood', 'test')),
  details jsonb,                          -- of a flood: severity -> number
  created_at int8 not null,
  taken_at int8,                          -- its deliveries are made
  withheld bool not null default false,   -- too many in a short time: told in a summary
  summarised bool not null default false
);
create index alarm_outbox_due on alarm_outbox (created_at) where taken_at is null;
create index alarm_outbox_by_alarm on alarm_outbox (alarm_id);
create index alarm_outbox_by_plant on alarm_outbox (plant_id, created_at);

create table alarm_webhooks (
  id uuid primary key,
  tenant_id uuid not null references tenants,
  plant_id uuid references plants,
  name text not null,
  url text not null,
  sealed_secret bytea not null,           -- encrypted; seal-secret.ts says how
  severity_from text not null,
  enabled bool not null,
  created_at int8 not null,
  created_by uuid,
  updated_at int8 not null,
  updated_by uuid,
  last_attempt_at int8,
  last_error text
);
create index alarm_webhooks_by_tenant on alarm_webhooks (tenant_id, name, id);

create table notification_choices (
  user_id uuid primary key references users on delete cascade,
  tenant_id uuid not null,
  email_from text,
  email_when_cleared bool not null,
  quiet_hours jsonb,
  updated_at int8 not null
);

-- One per outbox row and receiver.
create table alarm_deliveries (
  outbox_id uuid not null references alarm_outbox on delete cascade,
  target text not null,                   -- user:{id} or webhook:{id}
  tenant_id uuid not null,
  state text not null check (state in ('due', 'done', 'dropped')),
  created_at int8 not null,
  attempts int8 not null default 0,
  last_error text,
  primary key (outbox_id, target)
);
create index alarm_deliveries_due on alarm_deliveries (created_at) where state = 'due';

grant usage on schema public to iot_alarms;
grant select on alarm_rules to iot_ingest;
grant select, insert, update, delete on alarm_conditions, alarm_outbox to iot_ingest;
grant update (unsettled_since) on alarm_rules to iot_ingest;
grant select, insert, update, delete on alarms to iot_ingest;
grant select, insert on alarm_events to iot_ingest;
grant select, delete on alarm_deliveries to iot_ingest;

grant update (alarm_rules_version) on tenants to iot_api;
grant select, insert, update, delete on alarm_rules, alarm_webhooks, notification_choices to iot_api;
grant select, delete on alarm_conditions to iot_api;
grant select, update on alarms to iot_api;
grant select, insert on alarm_events to iot_api;
grant insert on alarm_outbox, alarm_deliveries to iot_api;

grant select on tenants, plants, machines, gateways, users, notification_choices, alarm_webhooks, alarms to iot_alarms;
grant update (last_attempt_at, last_error) on alarm_webhooks to iot_alarms;
grant select, update on alarm_outbox to iot_alarms;
grant select, insert, update on alarm_deliveries to iot_alarms;

do $do$
declare
  tab text;
begin
  foreach tab in array array['tenants', 'plants', 'machines', 'gateways', 'users'] loop
    execute format('create policy every_tenant_for_alarms on %I to iot_alarms using (true) with check (true)', tab);
  end loop;
  foreach tab in array array['alarm_rules', 'alarm_conditions', 'alarms', 'alarm_events', 'alarm_outbox', 'alarm_webhooks',
    'notification_choices', 'alarm_deliveries'] loop
    execute format('alter table %I enable row level security', tab);
    execute format('create policy every_tenant on %I to iot_ingest, iot_alarms, iot_admin using (true) with check (true)', tab);
    execute format($p$create policy own_tenant on %I to iot_api
      using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))$p$, tab);
  end loop;
end $do$;
`.execute(db)
}
