import { type Kysely, sql } from 'kysely'

/**
 * What gateways say that they have sent: one row for each outbox that a gateway has had for a machine, by the first seq
 * of it. Rows stay for ever, as the ledger does: a range that was declared is asked for also after the gateway has lost
 * its disk, has moved or is deleted. No foreign keys, as in 0002. declare-ranges.ts writes them, completeness.ts reads them.
 *
 * `full_seqs`: blocks of the ledger that are full, as ranges of seqs. A full block never changes, so that the completeness
 * of years need not be counted each time. note_full_blocks() adds those that have become full since.
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
create table declared_ranges (
  tenant_id uuid not null,
  machine_id uuid not null,
  gateway_id uuid not null,
  first int8 not null,
  last int8 not null,
  dropped int8multirange not null,
  pending int8multirange not null, -- of the newest heartbeat; empty when it says nothing about this outbox any more
  since int8 not null,             -- broker's clock when the range was first declared, epoch ms
  heard_at int8 not null,          -- broker's clock of the newest heartbeat with something to say about it
  grown_at int8 not null,          -- gateway's clock when \`last\` was declared: all up to it was read before
  earlier_last int8 not null,      -- \`last\` and \`pending\` as they were at a heartbeat before earlier_at
  earlier_pending int8multirange not null,
  earlier_at int8 not null,
  moved int8multirange not null default '{}', -- carried to another plant before they were sent: expected there, and here no more
  primary key (machine_id, gateway_id, first)
) with (fillfactor = 70);
create index declared_ranges_by_gateway on declared_ranges (gateway_id);

create table full_seqs (
  machine_id uuid primary key,
  tenant_id uuid not null,
  seqs int8multirange not null
);

create index closed_blocks_repeats on closed_blocks (machine_id, block) where repeats > 0; -- few; without it duplicates are summed over every block

grant select, insert, update on declared_ranges to iot_ingest;
grant select on declared_ranges, full_seqs to iot_api;

do $do$
declare
  tab text;
begin
  foreach tab in array array['declared_ranges', 'full_seqs'] loop
    execute format('alter table %I enable row level security', tab);
    execute format('create policy every_tenant on %I to iot_ingest, iot_admin using (true) with check (true)', tab);
    execute format($p$create policy own_tenant on %I to iot_api
      using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))$p$, tab);
  end loop;
end $do$;

-- How many seqs of [p_from, p_until) the ledger's block holds.
create function stored_in_block(p_received bit(1024), p_block int8, p_from int8, p_until int8) returns int8
language sql immutable parallel safe as $f$
  select case when p_from <= p_block << 10 and p_until >= (p_block + 1) << 10 then bit_count(p_received)
    else bit_count(p_received & (~0::bit(1024) >> greatest(p_from - (p_block << 10), 0)::int)
      & (~0::bit(1024) << greatest(((p_block + 1) << 10) - p_until, 0)::int)) end
$f$;

create function note_full_blocks() returns int8 language sql volatile as $f$
  with noted as (
    insert into full_seqs as f (machine_id, tenant_id, seqs)
    select m.id, m.tenant_id, fresh.seqs
    from machines m left join full_seqs f on f.machine_id = m.id,
    lateral (
      select range_agg(l.seqs) as seqs
      from unnest('{[0,9007199254740992)}'::int8multirange - coalesce(f.seqs, '{}')) gap cross join lateral (
        select int8range(l.block << 10, (l.block + 1) << 10) as seqs from machine_ledger l
        where l.machine_id = m.id and l.block between lower(gap) >> 10 and (upper(gap) - 1) >> 10 and bit_count(l.received) = 1024
        offset 0 -- looked up gap by gap: a join compares all blocks of the machine with each gap
      ) l
    ) fresh
    where fresh.seqs is not null
    on conflict (machine_id) do update set seqs = f.seqs + excluded.seqs
    returning 1
  )
  select count(*) from noted
$f$;
revoke all on function note_full_blocks() from public;
`.execute(db)
}
