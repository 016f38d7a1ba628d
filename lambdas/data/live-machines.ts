import type { Kysely } from 'kysely'
import type { Machine, PlantAccess } from '../../schemas/api.ts'
import type { LiveMachine } from '../../schemas/live.ts'
import type { Database } from './database.ts'
import type { PageOf } from './page.ts'
import { visiblePlant } from './visible-plants.ts'

/** Machines with their current state, as the API and the live socket give them. Narrow it by plant, id or slugs. */
function machinesOf(db: Kysely<Database>, tenantId: string) {
  return db
    .selectFrom('machines')
    .leftJoin('machine_state', 'machine_state.machine_id', 'machines.id')
    .leftJoin('gateways', 'gateways.id', 'machines.gateway_id')
    .select(['machines.id', 'machines.plant_id', 'machines.slug', 'machines.name', 'machines.status'])
    .select(['machines.units'])
    .select(['gateways.thing_name'])
    .select(['machine_state.ts', 'machine_state.seq', 'machine_state.received_at'])
    .select(['machine_state.values', 'machine_state.quality'])
    .where('machines.tenant_id', '=', tenantId)
}

type Row = Awaited<ReturnType<ReturnType<typeof machinesOf>['executeTakeFirstOrThrow']>>

function liveMachineOf(row: Row): LiveMachine {
  return {
    machineId: row.id,
    slug: row.slug,
    name: row.name,
    status: row.status,
    thingName: row.thing_name,
    units: row.units,
    state:
      row.ts === null
        ? null
        : {
            timestamp: row.ts,
            seq: row.seq!,
            receivedAt: row.received_at!,
            values: row.values!,
            ...(row.quality !== null && { quality: row.quality }),
          },
  }
}

function machineOf(row: Row): Machine {
  return { ...liveMachineOf(row), plantId: row.plant_id }
}

/** All of a plant, by slug. */
export async function liveMachines(db: Kysely<Database>, tenantId: string, plantId: string): Promise<LiveMachine[]> {
  const rows = await machinesOf(db, tenantId)
    .where('machines.plant_id', '=', plantId)
    .orderBy('machines.slug')
    .execute()
  return rows.map(liveMachineOf)
}

/** A page of a plant's, by slug. That the user may see the plant has been checked. */
export async function listMachines(
  db: Kysely<Database>,
  tenantId: string,
  plantId: string,
  { limit, after }: PageOf,
): Promise<Machine[]> {
  const rows = await machinesOf(db, tenantId)
    .where('machines.plant_id', '=', plantId)
    .$if(after !== undefined, (query) => query.where('machines.slug', '>', after!))
    .orderBy('machines.slug')
    .limit(limit)
    .execute()
  return rows.map(machineOf)
}

/** Undefined when there is none, or none in a plant that the user may see. */
export async function findMachine(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
  machineId: string,
): Promise<Machine | undefined> {
  const row = await machinesOf(db, tenantId)
    .where('machines.id', '=', machineId)
    .where(visiblePlant(access, 'machines.plant_id'))
    .executeTakeFirst()
  return row && machineOf(row)
}
