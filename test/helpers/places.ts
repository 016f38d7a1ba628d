/** Plants with one thing of every kind in each, for the tests that ask who reaches what. */
import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { v7 as uuidv7 } from 'uuid'
import { createGateway, createMachines, createTenant, createUser, type TestTenant } from './tenants.ts'

export interface Place {
  tenantId: string
  plantId: string
  machineId: string
  thingName: string
  deadLetterId: string
  /** A viewer of this plant only. */
  userId: string
  /** Ids and names that nobody may be told who may not see the place; those of the company besides. */
  traces: string[]
  tenantTraces: string[]
  /** For calls that use up what they name. */
  newDeadLetter: () => Promise<string>
  newGateway: (lifecycle?: string) => Promise<string>
  newUser: () => Promise<string>
}

/** A company with these plants, all of whose names are of no other. */
export async function createPlaces(master: pg.Pool, names: string[]): Promise<{ tenant: TestTenant; places: Place[] }> {
  const tenant = await createTenant(
    master,
    names.map((name) => `${name}-${randomUUID().slice(0, 8)}`),
  )
  const places: Place[] = []
  for (const { plantId, slug } of tenant.plants) places.push(await createPlace(master, tenant, plantId, slug))
  return { tenant, places }
}

async function createPlace(master: pg.Pool, tenant: TestTenant, plantId: string, plant: string): Promise<Place> {
  const { tenantId, slug } = tenant
  const [machineId] = (await createMachines(master, tenantId, plantId, 1)) as [string]
  const machine = `press-${plant}`
  await master.query('update machines set slug = $1, name = $1 where id = $2', [machine, machineId])

  const newDeadLetter = async () => {
    const id = uuidv7()
    await master.query(
      `insert into quarantine (id, message_id, tenant_id, plant_id, queue, code, message, topic, machine, thing_name,
         quarantined_at, body, payload_bytes, payload_head)
       values ($1, $1::uuid::text, $2, $3, 'telemetry', 'invalid_json', 'not JSON', $4, $5, $6, $7, 'x', 1, 'x')`,
      [id, tenantId, plantId, `factory/${slug}/ba/${plant}/${machine}/telemetry`, machine, `gw-${plant}`, Date.now()],
    )
    return id
  }
  const newGateway = async (lifecycle?: string) => {
    const name = `gw-${plant}-${randomUUID().slice(0, 8)}`
    await createGateway(master, tenantId, plantId, name, lifecycle)
    return name
  }
  const newUser = async () => {
    const uid = await createUser(master, tenantId, 'viewer', [plantId])
    const { rows } = await master.query<{ id: string }>('select id from users where firebase_uid = $1', [uid])
    return rows[0]!.id
  }
  const [thingName, deadLetterId, userId] = [await newGateway(), await newDeadLetter(), await newUser()]
  return {
    ...{ tenantId, plantId, machineId, thingName, deadLetterId, userId },
    // The names of machine and gateway contain that of the plant.
    traces: [plantId, plant, machineId, deadLetterId],
    tenantTraces: [tenantId, slug],
    ...{ newDeadLetter, newGateway, newUser },
  }
}
