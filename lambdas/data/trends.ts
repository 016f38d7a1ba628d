import { type Kysely, sql } from 'kysely'
import { TREND, type TrendsOf, type Trends } from '../../schemas/api.ts'
import type { Database } from './database.ts'

/**
 * The first value of each tag in each step of the time before its machine's newest reading. A probe of the index for each step:
 * what it costs does not hang on how often a machine is read. Undefined when a machine is not one of the plant. That the
 * user may see the plant has been checked.
 */
export async function readTrends(
  db: Kysely<Database>,
  tenantId: string,
  plantId: string,
  { machines }: TrendsOf,
): Promise<Trends['items'] | undefined> {
  const series = machines.flatMap(({ machineId, tags }) => tags.map((tag) => ({ machineId, tag })))
  const { rows } = await sql<{ machineId: string; tag: string; from: number | null; values: (number | null)[] }>`
    select m.id as "machineId", a.tag, (s.ts / ${TREND.stepMs}::int8 - ${TREND.steps - 1}::int8) * ${TREND.stepMs}::int8 as "from", (
      select jsonb_agg((
        select case when jsonb_typeof(e.values -> a.tag) = 'number' and e.quality ->> a.tag is distinct from 'bad'
            then e.values -> a.tag end
        from telemetry_events e
        where e.machine_id = m.id and e.tenant_id = ${tenantId} and e.values ? a.tag
          and e.ts >= (s.ts / ${TREND.stepMs}::int8 - back) * ${TREND.stepMs}::int8
          and e.ts < (s.ts / ${TREND.stepMs}::int8 - back + 1) * ${TREND.stepMs}::int8
        order by e.ts, e.seq limit 1) order by back desc)
      from generate_series(0, ${TREND.steps - 1}) back) as values
    from unnest(${series.map(({ machineId }) => machineId)}::uuid[], ${series.map(({ tag }) => tag)}::text[]) a(machine_id, tag)
    join machines m on m.id = a.machine_id and m.tenant_id = ${tenantId} and m.plant_id = ${plantId}
    left join machine_state s on s.machine_id = m.id`.execute(db)
  if (rows.length < series.length) return undefined
  const found = Map.groupBy(rows, ({ machineId }) => machineId)
  return [...found].flatMap(([machineId, ofMachine]) => {
    const { from } = ofMachine[0]!
    // Nothing was read yet.
    if (from === null) return []
    return { machineId, from, values: Object.fromEntries(ofMachine.map(({ tag, values }) => [tag, values])) }
  })
}
