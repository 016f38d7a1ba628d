import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { DAY_MS } from '../../lambdas/data/partitions.ts'
import { knownPlaces } from '../../lambdas/data/places.ts'
import { openCompleteness } from '../helpers/completeness.ts'
import { createPlant, type TestPlant } from '../helpers/plant.ts'

const now = Date.now()
/** First seq of the outbox, somewhere in a block of the ledger. */
const first = now - DAY_MS

let system: Awaited<ReturnType<typeof openCompleteness>>
beforeAll(async () => {
  system = await openCompleteness(now)
})
afterAll(() => system.close())

/** Another plant of the same company, and where the company's gateway comes to stand. */
async function secondPlant(plant: TestPlant): Promise<TestPlant> {
  const south = { ...plant, plantId: uuid(), plant: `${plant.tenant}-south` }
  await system.database.master.query(
    `insert into plants (id, tenant_id, province, slug, name, time_zone, created_at, updated_at)
     values ($1, $2, $3, $4, $4, 'UTC', 0, 0)`,
    [south.plantId, south.tenantId, south.province, south.plant],
  )
  return south
}

it('a moved gateway is known at its new plant at once, and for a quarter of an hour at the one before', async () => {
  const north = await createPlant(system.database.master, 'places')
  const south = await secondPlant(north)
  const places = knownPlaces(system.ingest.db)
  const from = async ({ tenant, province, plant, thingName: clientId }: TestPlant, receivedAt: number) => {
    const sender = { tenant, province, plant, clientId, receivedAt }
    await places.load([sender])
    return places.of(sender).plantId
  }
  expect(await from(north, now)).toBe(north.plantId)
  await expect(from(south, now)).rejects.toMatchObject({ code: 'client_topic_mismatch' })
  await system.database.master.query(
    'update gateways set plant_id = $2, previous_plant_id = $3, moved_at = $4 where id = $1',
    [north.gatewayId, south.plantId, north.plantId, now],
  )
  // Remembered a moment ago as being at the other one.
  expect(await from(south, now + 1)).toBe(south.plantId)
  expect(await from(north, now + 14 * 60_000)).toBe(north.plantId)
  await expect(from(north, now + 16 * 60_000)).rejects.toMatchObject({ code: 'client_topic_mismatch' })
})

const seqs = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => first + from + n)
const range = (from: number, to: number): [number, number] => [first + from, first + to]
const at = (minute: number) => ({ receivedAt: now - DAY_MS / 2 + minute * 60_000 })

it('what a gateway carries to another plant is expected there and no more at the one before, and nothing else is', async () => {
  const old = await system.newMachine('carrying')
  const moved = await system.machineAt(await secondPlant(old))
  await old.store([...seqs(0, 4), ...seqs(8, 9), ...seqs(30, 34)])
  // 5 to 7 were lost on their way, 10 to 29 piled up behind what was live.
  const before = { first, last: first + 34, dropped: [], pending: [range(10, 29)] }
  await old.declare(before, at(0))
  expect(await old.read()).toMatchObject({ expected: 35, stored: 12, held: 20, lost: 3 })

  // 35 to 39 were read without connection, and never declared there.
  const carried = [range(10, 29), range(35, 39)]
  const ledger = { first: first + 40, last: first + 49, dropped: [], pending: [range(10, 49)], carried }
  await moved.declare(ledger, at(1))
  await old.declare(before, at(0))
  expect(await old.read()).toMatchObject({
    ...{ expected: 15, stored: 12, held: 0, lost: 3, missingRanges: [{ from: first + 5, to: first + 7 }] },
  })
  expect(await moved.read()).toMatchObject({ expected: 35, stored: 0, held: 35, lost: 0 })

  await moved.store([...seqs(15, 29), ...seqs(35, 49)])
  await moved.declare({ ...ledger, dropped: [range(10, 13)], pending: [] }, at(2))
  expect(await moved.read()).toMatchObject({
    ...{ expected: 35, stored: 30, held: 0, dropped: 4, lost: 1, undeclared: 0 },
    missingRanges: [
      { from: first + 14, to: first + 14, state: 'lost' },
      { from: first + 10, to: first + 13, state: 'dropped' },
    ],
  })
  expect(await old.read()).toMatchObject({ expected: 15, missing: 3, undeclared: 0 })
})

it('a machine of which nothing is read any more declares what is carried; moved back, it is expected where it was', async () => {
  const north = await system.newMachine('returning')
  const south = await system.machineAt(await secondPlant(north))
  await north.declare({ first, last: first + 9, dropped: [], pending: [range(0, 9)] }, at(0))
  await south.declare({ first, last: first + 9, dropped: [], pending: [range(0, 9)], carried: [] }, at(1))
  await south.store(seqs(0, 3))
  expect(await north.read()).toMatchObject({ expected: 0, held: 0, lost: 0 })
  expect(await south.read()).toMatchObject({ expected: 10, stored: 4, held: 6 })

  await north.declare({ first, last: first + 9, dropped: [], pending: [range(4, 9)], carried: [] }, at(1.8))
  expect(await north.read()).toMatchObject({ expected: 10, held: 6, lost: 4 })
  await south.declare({ first, last: first + 9, dropped: [], pending: [range(4, 9)], carried: [] }, at(1.9))
  expect(await north.read()).toMatchObject({ expected: 0 })

  const back = { first: first + 10, last: first + 12, dropped: [], pending: [range(4, 12)], carried: [range(4, 9)] }
  await north.declare(back, at(2))
  // A late heartbeat of the other plant changes nothing.
  await south.declare({ first, last: first + 9, dropped: [], pending: [range(4, 9)], carried: [] }, at(1.5))
  expect(await south.read()).toMatchObject({ expected: 4, stored: 4, percent: 100 })
  expect(await north.read()).toMatchObject({ expected: 9, held: 9 })
  await north.store(seqs(4, 12))
  await north.declare({ ...back, pending: [] }, at(3))
  expect(await north.read()).toMatchObject({ expected: 9, stored: 9, percent: 100, undeclared: 0 })
})
