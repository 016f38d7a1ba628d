import fc from 'fast-check'
import type pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Condition } from '../../schemas/conditions.ts'
import type { LiveGateway, LiveMachine } from '../../schemas/live.ts'
import type { Scalar } from '../../schemas/telemetry.ts'
import { UNKNOWN_CADENCE } from '../../web/src/live/cadence.ts'
import { conditionOf } from '../../web/src/live/freshness.ts'
import { machineView } from '../../web/src/live/machine-view.ts'
import { type HttpApi, startHttpApi } from '../helpers/http-api.ts'
import { createGateway, createMachines, createTenant, createUser, type TestTenant } from '../helpers/tenants.ts'
import { gateway as gatewayOf } from '../unit/web/live-fixtures.ts'

const MACHINES = 400
let api: HttpApi
let tenant: TestTenant
let master: pg.Pool

beforeAll(async () => {
  api = await startHttpApi()
  master = api.database.master
  tenant = await createTenant(master, ['alpha', 'beta'])
})
afterAll(() => api.close())

const values = fc
  .record(
    {
      running: fc.constantFrom<Scalar[]>(true, false, null, 1),
      state: fc.constantFrom<Scalar[]>(' RUN ', 'Detenida', 'fault', null, 2),
      temperature: fc.constantFrom<Scalar[]>(71.2, null),
    },
    { requiredKeys: [] },
  )
  .filter((tags) => Object.keys(tags).length > 0)
const drawn = fc.record({
  ageMs: fc.constantFrom(1_000, 25_000, 35_000, 3_600_000),
  values,
  bad: fc.subarray(['running', 'state', 'temperature']),
  quality: fc.constantFrom('bad' as const, 'uncertain' as const),
  connection: fc.constantFrom('online' as const, 'offline' as const),
  skewMs: fc.constantFrom(0, -4_000, 20_000, -20_000),
  hasState: fc.constantFrom(true, true, true, false),
})

it('counts the machines of each condition as the page does that shows them', async () => {
  const { plantId } = tenant.plants[0]!
  const now = Date.now()
  const machines = fc.sample(drawn, { numRuns: MACHINES, seed: 8 })
  const ids = await createMachines(master, tenant.tenantId, plantId, MACHINES)
  const gateways = new Map<string, { id: string; live: LiveGateway }>()
  const expected = Object.fromEntries(Condition.options.map((each) => [each, 0])) as Record<Condition, number>
  for (const [index, one] of machines.entries()) {
    const name = `${tenant.slug}-${one.connection}-${one.skewMs}`
    if (!gateways.has(name)) {
      const id = await createGateway(master, tenant.tenantId, plantId, name)
      await master.query('update gateways set connection = $2, clock_skew_ms = $3 where id = $1', [
        ...[id, one.connection, one.skewMs],
      ])
      gateways.set(name, { id, live: { ...gatewayOf(name, now, one.connection), clockSkewMs: one.skewMs } })
    }
    const { id, live } = gateways.get(name)!
    const bad = one.bad.filter((tag) => tag in one.values)
    const quality = bad.length > 0 ? Object.fromEntries(bad.map((tag) => [tag, one.quality])) : null
    const machineId = ids[index]!
    await master.query('update machines set gateway_id = $2 where id = $1', [machineId, id])
    if (one.hasState) {
      await master.query(`update machine_state set ts = $2, "values" = $3, quality = $4 where machine_id = $1`, [
        ...[machineId, now - one.ageMs, JSON.stringify(one.values), quality && JSON.stringify(quality)],
      ])
    } else {
      await master.query('delete from machine_state where machine_id = $1', [machineId])
    }
    const state = { timestamp: now - one.ageMs, seq: 7, receivedAt: now, values: one.values }
    const machine: LiveMachine = {
      ...{ machineId, slug: 'x', name: null, status: 'active', thingName: name, units: {} },
      state: one.hasState ? { ...state, ...(quality && { quality }) } : null,
    }
    expected[conditionOf({ ...machineView(machine), cadence: UNKNOWN_CADENCE }, live, now)] += 1
  }
  expect(Object.values(expected).every((count) => count > 0)).toBe(true)
  const retired = await createMachines(master, tenant.tenantId, tenant.plants[1]!.plantId, 2)
  await master.query(`update machines set status = 'retired' where id = $1`, [retired[0]])

  const admin = await createUser(master, tenant.tenantId, 'admin', 'all')
  const { body } = await api.request('GET', '/v1/plants', { as: admin })
  const [alpha, beta] = (body as { items: { counts: { machines: number; conditions: Record<string, number> } }[] })
    .items
  expect(alpha!.counts).toMatchObject({ machines: MACHINES, conditions: expected })
  expect(beta!.counts).toMatchObject({ machines: 1, conditions: { stale: 1, running: 0 } })
})
