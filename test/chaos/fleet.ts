import type pg from 'pg'
import { v7 as uuid } from 'uuid'
import { createGateway, createPlant, type TestPlant } from '../helpers/plant.ts'
import { MAX_MACHINES_PER_PLANT } from '../../lambdas/data/create-machines.ts'

export interface FleetMachine {
  plant: TestPlant
  slug: string
  /** thingName of the gateway that reads it, and of the other one of the plant, which should not. */
  gateway: string
  stranger: string
}

export interface Fleet {
  machines: FleetMachine[]
  /** Has as many machines as a plant may have, and a retired one beside them. None of them sends anything good. */
  fullPlant: TestPlant
  /** Gateways whose clock is wrong now and then, with the error. */
  wrongClocks: Map<string, number>
}

const TENANTS = 4
const MACHINES_PER_TENANT = 50
const DAY_MS = 86_400_000

/**
 * Four companies with two gateways and fifty machines each, which bear the same names in each company. The machines are
 * made by ingest, when they are first heard.
 */
export async function createFleet(database: pg.Pool): Promise<Fleet> {
  const machines: FleetMachine[] = []
  const wrongClocks = new Map<string, number>()
  for (let tenant = 1; tenant <= TENANTS; tenant += 1) {
    const plant = await createPlant(database, `chaos-${tenant}`)
    const second = `${plant.tenant}-gateway-2`
    await createGateway(database, { ...plant, gatewayId: uuid(), thingName: second })
    if (tenant === 1) wrongClocks.set(second, DAY_MS)
    if (tenant === 2) wrongClocks.set(second, -DAY_MS)
    for (let number = 1; number <= MACHINES_PER_TENANT; number += 1) {
      const [gateway, stranger] = number % 2 ? [plant.thingName, second] : [second, plant.thingName]
      machines.push({ plant, slug: `machine-${String(number).padStart(2, '0')}`, gateway, stranger })
    }
  }
  const fullPlant = await createPlant(database, 'chaos-full')
  await database.query(
    `insert into machines (id, tenant_id, plant_id, slug, created_at, updated_at)
     select gen_random_uuid(), $1, $2, 'machine-' || n, 0, 0 from generate_series(1, $3::int) n`,
    [fullPlant.tenantId, fullPlant.plantId, MAX_MACHINES_PER_PLANT],
  )
  await database.query(
    `insert into machines (id, tenant_id, plant_id, slug, status, created_at, updated_at)
     values (gen_random_uuid(), $1, $2, 'retired', 'retired', 0, 0)`,
    [fullPlant.tenantId, fullPlant.plantId],
  )
  return { machines, fullPlant, wrongClocks }
}
