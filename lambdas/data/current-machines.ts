import { type Kysely, sql } from 'kysely'
import type { LiveMachine } from '../../schemas/live.ts'
import type { Database } from './database.ts'

export interface CurrentMachine extends LiveMachine {
  plantId: string
  /** Orders what different consumers write into Redis. */
  revision: number
}

/** Machines with their state as committed, of all tenants that a batch is about, in one query. */
export async function currentMachines(
  db: Kysely<Database>,
  machines: { tenantId: string; machineId: string }[],
): Promise<CurrentMachine[]> {
  const tenantIds = [...new Set(machines.map((machine) => machine.tenantId))]
  const machineIds = [...new Set(machines.map((machine) => machine.machineId))]
  const { rows } = await sql<CurrentMachine>`
    select m.id as "machineId", m.plant_id as "plantId", m.slug, m.name, m.status, g.thing_name as "thingName",
      m.units, s.revision,
      jsonb_strip_nulls(jsonb_build_object('timestamp', s.ts, 'seq', s.seq, 'receivedAt', s.received_at, 'quality', s.quality))
        || jsonb_build_object('values', s.values) as state
    from machines m
    join machine_state s on s.machine_id = m.id and s.tenant_id = m.tenant_id
    left join gateways g on g.id = m.gateway_id
    where m.id = any(${machineIds}::uuid[]) and m.tenant_id = any(${tenantIds}::uuid[])`.execute(db)
  return rows
}
