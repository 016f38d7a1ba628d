import { type Kysely, sql } from 'kysely'
import type { MachineAbout } from '../../schemas/live.ts'
import { type ExpiringMap, expiringMap } from '../runtime/expiring-map.ts'
import { createMachines, type NewMachine } from './create-machines.ts'
import type { Database } from './database.ts'

export type MachineName = Pick<NewMachine, 'plantId' | 'slug'>

export interface KnownMachine {
  id: string
  /** Who sent the newest reading, as the table says; null when that gateway is gone. */
  gatewayId: string | null
  /** A change makes another object of it. */
  about: MachineAbout
  /** What this consumer has told watchers: `about`, unless that was looked up or changed since. */
  toldAbout: MachineAbout | undefined
}

const LIFETIME_MS = 60_000

/** Ids of machines by plant and slug, remembered for a minute, or until their plant's edition changes. */
export interface MachineRegister {
  /** Looks up those that are not known yet, in one query. Gives those that do not exist. */
  load<Named extends MachineName>(machines: Named[]): Promise<Named[]>
  /** Makes them, up to the quota of their plant. */
  create(machines: NewMachine[]): Promise<void>
  get(machine: MachineName): KnownMachine | undefined
  /** Of the plant's machines, as Redis has it (live-cache.ts): a new one means that a person has changed one of them. */
  noteEdition(plantId: string, edition: number): void
}

export function machineRegister(db: Kysely<Database>): MachineRegister {
  const plants = new Map<string, ExpiringMap<KnownMachine>>()
  const editions = new Map<string, number>()
  const ofPlant = ({ plantId }: MachineName) => {
    let known = plants.get(plantId)
    if (known === undefined) plants.set(plantId, (known = expiringMap(LIFETIME_MS)))
    return known
  }

  const get = (machine: MachineName) => ofPlant(machine).get(machine.slug)

  async function load<Named extends MachineName>(machines: Named[]): Promise<Named[]> {
    const now = Date.now()
    const stale = machines.filter((machine) => !ofPlant(machine).isFresh(machine.slug, now))
    if (stale.length === 0) return []
    const unknown = distinct(stale)
    const { rows } = await sql<Pick<KnownMachine, 'id' | 'gatewayId'> & MachineAbout & MachineName>`
      select m.id, m.plant_id as "plantId", m.slug, m.name, m.status, m.units, m.gateway_id as "gatewayId", g.thing_name as "thingName"
      from machines m join unnest(${unknown.map((one) => one.plantId)}::uuid[], ${unknown.map((one) => one.slug)}::text[])
        as asked(plant_id, slug) using (plant_id, slug)
        left join gateways g on g.id = m.gateway_id`.execute(db)
    for (const machine of unknown) ofPlant(machine).delete(machine.slug)
    for (const { plantId, slug, id, gatewayId, ...about } of rows)
      ofPlant({ plantId, slug }).set(slug, { id, gatewayId, about, toldAbout: undefined })
    return stale.filter((machine) => get(machine) === undefined)
  }

  return {
    load,
    async create(machines) {
      const missing = distinct(machines)
      if (missing.length === 0) return
      await createMachines(db, missing)
      await load(missing)
    },
    get,
    noteEdition(plantId, edition) {
      if ((editions.get(plantId) ?? edition) !== edition) plants.get(plantId)?.expire()
      editions.set(plantId, edition)
    },
  }
}

const distinct = <Named extends MachineName>(machines: Named[]): Named[] => [
  ...new Map(machines.map((machine) => [`${machine.plantId}/${machine.slug}`, machine])).values(),
]
