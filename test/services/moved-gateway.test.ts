import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Database } from '../../lambdas/data/database.ts'
import { knownPlaces } from '../../lambdas/data/places.ts'
import { openPostgres, type Postgres } from '../../lambdas/runtime/postgres.ts'
import { createDatabase, type TestDatabase } from '../helpers/postgres.ts'
import { createGateway, createTenant } from '../helpers/tenants.ts'

let database: TestDatabase
let postgres: Postgres<Database>
beforeAll(async () => {
  database = await createDatabase()
  const { PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD } = database.environment('iot_ingest')
  postgres = openPostgres<Database>({
    ...{ PGHOST: PGHOST!, PGPORT: Number(PGPORT), PGDATABASE: PGDATABASE!, PGUSER: PGUSER! },
    ...{ PGPASSWORD, AWS_REGION: 'us-east-1' },
  })
})
afterAll(async () => {
  await postgres.close()
  await database.close()
})

it('a moved gateway is known at its new plant at once, and for a quarter of an hour at the one before', async () => {
  const { tenantId, slug: tenant, plants } = await createTenant(database.master, ['north', 'south'])
  const [north, south] = plants as [(typeof plants)[number], (typeof plants)[number]]
  const clientId = `${tenant}-gw`
  const gatewayId = await createGateway(database.master, tenantId, north.plantId, clientId)
  const places = knownPlaces(postgres.db)
  const from = async (plant: string, receivedAt: number) => {
    const sender = { tenant, province: 'ba', plant, clientId, receivedAt }
    await places.load([sender])
    return places.of(sender).plantId
  }
  const movedAt = Date.now()
  expect(await from('north', movedAt)).toBe(north.plantId)
  await expect(from('south', movedAt)).rejects.toMatchObject({ code: 'client_topic_mismatch' })
  await database.master.query(
    'update gateways set plant_id = $2, previous_plant_id = $3, moved_at = $4 where id = $1',
    [gatewayId, south.plantId, north.plantId, movedAt],
  )
  // Remembered a moment ago as being at the other one.
  expect(await from('south', movedAt + 1)).toBe(south.plantId)
  expect(await from('north', movedAt + 14 * 60_000)).toBe(north.plantId)
  await expect(from('north', movedAt + 16 * 60_000)).rejects.toMatchObject({ code: 'client_topic_mismatch' })
})
