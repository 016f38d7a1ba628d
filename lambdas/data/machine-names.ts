import type { Kysely } from 'kysely'
import type { Database } from './database.ts'

export interface MachineNames {
  /** Slugs, which never change. */
  plant: string
  machine: string
}

/** Of all machines of a tenant, by id. */
export async function machineNames(db: Kysely<Database>, tenantId: string): Promise<Map<string, MachineNames>> {
  const rows = await db
    .selectFrom('machines')
    .innerJoin('plants', 'plants.id', 'machines.plant_id')
    .select(['machines.id', 'plants.slug as plant', 'machines.slug as machine'])
    .where('machines.tenant_id', '=', tenantId)
    .execute()
  return new Map(rows.map(({ id, plant, machine }) => [id, { plant, machine }]))
}
