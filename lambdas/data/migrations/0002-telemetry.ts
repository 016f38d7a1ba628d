import { type Kysely, sql } from 'kysely'

/**
 * Raw events, the ledger of received seqs and the current state of each machine. No foreign keys: each would take a lock
 * per row of a batch. What the ledger is for, and why it is a bitmap: store-telemetry.ts.
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
create table telemetry_events (
  tenant_id uuid not null,
  machine_id uuid not null,
  ts int8 not null,
  seq int8 not null,
  received_at int8 not null,
  values jsonb not null,
  quality jsonb,
  primary key (machine_id, ts, seq)
) partition by range (ts);

create table closed_blocks (
  tenant_id uuid not null,
  machine_id uuid not null,
  block int8 not null,            -- seq >> 10
  received bit(1024) not null,
  repeats int8 not null default 0, -- deliveries not stored
  primary key (machine_id, block)
) with (fillfactor = 70);

create table machine_state (
  machine_id uuid primary key,
  tenant_id uuid not null,
  ts int8 not null,
  seq int8 not null,
  received_at int8 not null,
  values jsonb not null,
  quality jsonb,
  older_tags jsonb,
  tag_set uuid,                   -- MD5 of its newest reading's tags, sorted and joined by commas
  last_seen_at int8 not null,
  revision int8 not null,
  open_block int8,                -- newest block of the ledger, which is none of closed_blocks; null until a second one begins
  open_received bit(1024) not null default 0::bit(1024),
  open_repeats int8 not null default 0
) with (fillfactor = 50);

-- All of the ledger. No condition on open_block, whose null matches no block: with one Postgres reads machine_state whole in each join.
create view machine_ledger with (security_invoker = true) as
  select tenant_id, machine_id, block, received, repeats from closed_blocks
  union all
  select tenant_id, machine_id, open_block, open_received, open_repeats from machine_state;
`.execute(db)
}
