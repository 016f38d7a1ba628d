import { type Kysely, sql } from 'kysely'
import type { CompletenessSummary, MachineCompleteness } from '../../schemas/api.ts'
import { type Asked, askedSeqs } from './asked-seqs.ts'
import type { Database } from './database.ts'

interface Counts {
  expected: number
  stored: number
  held: number
  dropped: number
  quarantined: number
  lost: number
  underway: number
  undeclared: number
}

interface Row extends Counts {
  machineId: string
  plantId: string
  slug: string
  name: string | null
  machines: number
  total: Counts
}

/**
 * What is stored of that which gateways have declared: of all machines asked for together, and of the worst of them.
 *
 * One statement. It reads of the ledger only the blocks that are not known to be full (`full_seqs`), at some 2 µs each
 * from memory, and counts their bits; two lookups per outbox find the ends of a range of time. `npm run bench completeness`:
 * 1,000 machines in some 0.1 s once full blocks are noted, of the last day, with 94 blocks each that are not, in some 0.2 s.
 */
export async function readCompleteness(
  db: Kysely<Database>,
  asked: Asked,
  limit: number,
): Promise<CompletenessSummary> {
  const { rows } = await sql<Row>`
    with ${askedSeqs(asked)}, counted as materialized (
      select a.machine_id, a.class, asked_for.total, not_full.missing
      from asked a left join full_seqs f on f.machine_id = a.machine_id and f.tenant_id = ${asked.tenantId}
      cross join lateral (select coalesce(sum(upper(r) - lower(r)), 0) as total from unnest(a.seqs) r) asked_for
      cross join lateral (
        select coalesce(sum(upper(r) - lower(r) - in_range.stored), 0) as missing
        from unnest(a.seqs - coalesce(f.seqs, '{}')) r cross join lateral (
          select coalesce(sum(stored_in_block(l.received, l.block, lower(r), upper(r))), 0) as stored
          from machine_ledger l
          where l.tenant_id = ${asked.tenantId} and l.machine_id = a.machine_id
            and l.block between lower(r) >> 10 and (upper(r) - 1) >> 10
        ) in_range
      ) not_full
    ), summed as (
      select c.machine_id,
        sum(c.total - c.missing) filter (where c.class <> 'undeclared') as stored,
        sum(c.total) filter (where c.class <> 'undeclared') as declared,
        sum(c.missing) filter (where c.class = 'held') as held,
        sum(c.missing) filter (where c.class = 'dropped') as dropped,
        sum(c.missing) filter (where c.class = 'quarantined') as quarantined,
        sum(c.missing) filter (where c.class = 'underway') as underway,
        sum(c.missing) filter (where c.class = 'due') as lost,
        sum(c.total - c.missing) filter (where c.class = 'undeclared') as undeclared
      from counted c group by c.machine_id
    ), worst as (
      select m.id, m.plant_id, m.slug, m.name, s.*, s.declared - s.underway as expected
      from machine m join summed s on s.machine_id = m.id
    )
    select w.id as "machineId", w.plant_id as "plantId", w.slug, w.name, w.expected::int8, w.stored::int8, w.held::int8,
      w.dropped::int8, w.quarantined::int8, w.lost::int8, w.underway::int8, w.undeclared::int8, count(*) over () as machines,
      jsonb_build_object('expected', sum(w.expected) over (), 'stored', sum(w.stored) over (), 'held', sum(w.held) over (),
        'dropped', sum(w.dropped) over (), 'quarantined', sum(w.quarantined) over (), 'lost', sum(w.lost) over (), 'underway', sum(w.underway) over (),
        'undeclared', sum(w.undeclared) over ()) as total
    from worst w
    order by w.stored / nullif(w.expected, 0) nulls last, w.lost desc, w.slug, w.id
    limit ${limit}`.execute(db)
  const [first] = rows
  return {
    machines: first?.machines ?? 0,
    ...completenessOf(first?.total ?? nothing),
    items: rows.map(machineOf),
  }
}

/** Notes the blocks that have become full since the last time, so that nobody reads them again. As master, on a schedule. */
export async function noteFullBlocks<T>(db: Kysely<T>): Promise<void> {
  await sql`select note_full_blocks()`.execute(db)
}

const nothing: Counts = {
  expected: 0,
  stored: 0,
  held: 0,
  dropped: 0,
  quarantined: 0,
  lost: 0,
  underway: 0,
  undeclared: 0,
}

const machineOf = ({ machineId, plantId, slug, name, ...counts }: Row): MachineCompleteness => ({
  ...{ machineId, plantId, slug, name },
  ...completenessOf(counts),
})

function completenessOf({ expected, stored, held, dropped, quarantined, lost, underway, undeclared }: Counts) {
  // Rounded down: 100 means that nothing is missing.
  const percent = expected === 0 ? null : Math.floor((stored / expected) * 100_000) / 1000
  const missing = expected - stored
  return { expected, stored, percent, missing, held, dropped, quarantined, lost, underway, undeclared }
}
