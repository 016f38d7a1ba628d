import { type Kysely, sql } from 'kysely'
import type { Units } from '../../schemas/telemetry.ts'
import type { Database } from './database.ts'

/**
 * Adds to the units of machines: machine id -> units. Gives all units of those that it has changed. A row that is locked
 * is skipped, so nobody waits here: units are told again.
 */
export async function noteUnitsOfMachines(db: Kysely<Database>, told: Map<string, Units>): Promise<Map<string, Units>> {
  const { rows } = await sql<{ id: string; units: Units }>`
    update machines m set units = m.units || due.units
    from (
      select m.id, t.units
      from machines m
        join unnest(${[...told.keys()]}::uuid[], ${[...told.values()].map((units) => JSON.stringify(units))}::jsonb[])
          as t(id, units) using (id)
      where not m.units @> t.units
      order by m.id for no key update of m skip locked
    ) due
    where m.id = due.id
    returning m.id, m.units`.execute(db)
  return new Map(rows.map(({ id, units }) => [id, units]))
}
