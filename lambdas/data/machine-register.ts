import { type Kysely, sql } from 'kysely'
import { expiringMap } from '../runtime/expiring-map.ts'
import { createMachines, type NewMachine } from './create-machines.ts'
import type { Database } from './database.ts'

export type MachineName = Pick<NewMachine, 'plantId' | 'slug'>

export interface KnownMachine {
  id: string
  /** Who sent the newest reading, as the table says; null when that gateway is gone. */
  gatewayId: string | null
}

const LIFETIME_MS = 60_000

/** Ids of machines by plant and slug, remembered for a minute. */
export interface MachineRegister {
  /** Looks up those that are not known yet, in one query. */
  load(machines: MachineName[]): Promise<void>
  /** Makes those that do not exist, up to the quota of their plant. */
  create(machines: NewMachine[]): Promise<void>
  get(machine: MachineName): KnownMachine | undefined
}

export function machineRegister(db: Kysely<Database>): MachineRegister {
  const known = expiringMap<KnownMachine>(LIFETIME_MS)
  const key = (machine: MachineName) => `${machine.plantId}/${machine.slug}`

  async function load(machines: MachineName[]): Promise<void> {
    const unknown = distinct(machines.filter((machine) => !known.get(key(machine))))
    if (unknown.length === 0) return
    const { rows } = await sql<{ id: string; plantId: string; slug: string; gatewayId: string | null }>`
      select m.id, m.plant_id as "plantId", m.slug, m.gateway_id as "gatewayId"
      from machines m join unnest(${unknown.map((one) => one.plantId)}::uuid[], ${unknown.map((one) => one.slug)}::text[])
        as asked(plant_id, slug) using (plant_id, slug)`.execute(db)
    for (const row of rows) known.set(key(row), { id: row.id, gatewayId: row.gatewayId })
  }

  return {
    load,
    async create(machines) {
      const missing = distinct(machines.filter((machine) => !known.get(key(machine))))
      if (missing.length === 0) return
      await createMachines(db, missing)
      await load(missing)
    },
    get: (machine) => known.get(key(machine)),
  }
}

const distinct = <Named extends MachineName>(machines: Named[]): Named[] => [
  ...new Map(machines.map((machine) => [`${machine.plantId}/${machine.slug}`, machine])).values(),
]
