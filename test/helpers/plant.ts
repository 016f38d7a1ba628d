import type pg from 'pg'
import { v7 as uuid } from 'uuid'

export interface TestPlant {
  tenantId: string
  plantId: string
  gatewayId: string
  tenant: string
  province: string
  plant: string
  thingName: string
}

/** A tenant with one plant and one gateway, all named after `tenant`, which must be new in the database. */
export async function createPlant(database: pg.Pool, tenant: string): Promise<TestPlant> {
  const [tenantId, plantId, gatewayId] = [uuid(), uuid(), uuid()]
  const names = { tenant, province: 'ba', plant: `${tenant}-mill`, thingName: `${tenant}-gateway-1` }
  await database.query('insert into tenants (id, slug, name, created_at) values ($1, $2, $2, 0)', [tenantId, tenant])
  await database.query(
    `insert into plants (id, tenant_id, province, slug, name, time_zone, created_at, updated_at)
     values ($1, $2, $3, $4, $4, 'UTC', 0, 0)`,
    [plantId, tenantId, names.province, names.plant],
  )
  await createGateway(database, { gatewayId, tenantId, plantId, thingName: names.thingName })
  return { tenantId, plantId, gatewayId, ...names }
}

/** An enrolled gateway that was never heard. */
export async function createGateway(
  database: pg.Pool,
  gateway: { gatewayId: string; tenantId: string; plantId: string; thingName: string },
): Promise<void> {
  await database.query(
    `insert into gateways (id, tenant_id, plant_id, thing_name, lifecycle, created_at) values ($1, $2, $3, $4, 'enrolled', 0)`,
    [gateway.gatewayId, gateway.tenantId, gateway.plantId, gateway.thingName],
  )
}
