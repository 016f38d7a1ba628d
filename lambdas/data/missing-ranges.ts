import { type Kysely, sql } from 'kysely'
import type { CompletenessOfMachine } from '../../schemas/api.ts'
import { type Asked, askedSeqs } from './asked-seqs.ts'
import type { Database } from './database.ts'

export type MissingRanges = Pick<CompletenessOfMachine, 'duplicates' | 'missingRanges' | 'hasMoreRanges' | 'declared'>

const MAX_RANGES = 1000
/** Blocks of which the single bits are looked at, at 0.1 ms each, 0.3 ms where every other bit is missing. */
const MAX_BLOCKS_WITH_HOLES = 200

/** Which seqs are missing, exactly; `asked` must be about one machine. */
export async function readMissingRanges(db: Kysely<Database>, asked: Asked): Promise<MissingRanges> {
  const { rows } = await sql<MissingRanges>`
    with ${askedSeqs(asked)}, wanted as materialized (
      select a.machine_id, range_agg(a.seqs) - coalesce((select f.seqs from full_seqs f
        where f.machine_id = a.machine_id and f.tenant_id = ${asked.tenantId}), '{}') as seqs
      from asked a where a.class in ('held', 'dropped', 'quarantined', 'due') group by a.machine_id
    ), looked_at as materialized (
      select int8range(l.block << 10, (l.block + 1) << 10) as seqs, nullif(l.received, ~0::bit(1024)) as received -- null when full
      from wanted w cross join lateral (
        select unnest(range_agg(int8range(lower(r) >> 10, (upper(r) - 1) >> 10, '[]'))) as r from unnest(w.seqs) r
      ) blocks cross join lateral (
        select l.block, l.received from machine_ledger l
        where l.tenant_id = ${asked.tenantId} and l.machine_id = w.machine_id and l.block between lower(blocks.r) and upper(blocks.r) - 1
        offset 0 -- looked up range by range: a join compares all blocks of the machine with each range
      ) l
    ), with_holes as materialized (
      select seqs, received from looked_at where received is not null
      order by seqs desc limit ${MAX_BLOCKS_WITH_HOLES}
    ), reach as (
      select int8multirange(int8range(case when count(*) = ${MAX_BLOCKS_WITH_HOLES} then min(lower(seqs)) end, null)) as seqs,
        count(*) = ${MAX_BLOCKS_WITH_HOLES} as is_cut
      from with_holes
    ), missing as materialized (
      select w.seqs - coalesce((select range_agg(seqs) from looked_at), '{}') + coalesce((
        select range_agg(int8range(n, n + 1)) from with_holes h
          cross join lateral generate_series(lower(h.seqs), upper(h.seqs) - 1) n
        where get_bit(h.received, (n & 1023)::int) = 0), '{}') as seqs
      from wanted w
    ), listed as (
      select r, case a.class when 'due' then 'lost' else a.class end as state
      from asked a, missing m, reach, unnest(a.seqs * m.seqs * reach.seqs) r
      where a.class in ('held', 'dropped', 'quarantined', 'due')
      order by lower(r) desc limit ${MAX_RANGES + 1}
    ), blocks as (
      select unnest(range_agg(int8range(lower(r) >> 10, (upper(r) - 1) >> 10, '[]'))) as r
      from asked a, unnest(a.seqs) r
    )
    select
      (select coalesce(sum(in_range.repeats), 0)::int8 from machine m cross join blocks b cross join lateral (
        select sum(l.repeats) as repeats from machine_ledger l
        where l.tenant_id = m.tenant_id and l.machine_id = m.id and l.block between lower(b.r) and upper(b.r) - 1
          and l.repeats > 0 -- of which there is an index
      ) in_range) as duplicates,
      (select coalesce(jsonb_agg(jsonb_build_object('from', lower(r), 'to', upper(r) - 1, 'state', state)
        order by lower(r) desc), '[]') from listed) as "missingRanges",
      (select is_cut from reach) as "hasMoreRanges",
      (select coalesce(jsonb_agg(jsonb_build_object('thingName', d.thing_name, 'from', lower(d.seqs), 'to', upper(d.seqs) - 1)
        order by lower(d.seqs) desc), '[]') from declared d where not isempty(d.seqs)) as declared`.execute(db)
  const { duplicates, missingRanges, hasMoreRanges, declared } = rows[0]!
  return {
    ...{ duplicates, declared },
    missingRanges: missingRanges.slice(0, MAX_RANGES),
    hasMoreRanges: hasMoreRanges || missingRanges.length > MAX_RANGES,
  }
}
