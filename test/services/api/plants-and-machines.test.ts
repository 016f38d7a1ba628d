import { randomUUID } from 'node:crypto'
import * as v from 'valibot'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { machineRegister } from '../../../lambdas/data/machine-register.ts'
import type { Database } from '../../../lambdas/data/database.ts'
import { openPostgres } from '../../../lambdas/runtime/postgres.ts'
import { Machine, MachinePage, Plant, Problem } from '../../../schemas/api.ts'
import { type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { createMachines, createTenant, createUser, type TestTenant } from '../../helpers/tenants.ts'

let api: HttpApi
let tenant: TestTenant
let admin: string
let manager: string
let north: string
let south: string

beforeAll(async () => {
  api = await startHttpApi()
  const { master } = api.database
  tenant = await createTenant(master, ['north', 'south'])
  ;[north, south] = tenant.plants.map(({ plantId }) => plantId) as [string, string]
  admin = await createUser(master, tenant.tenantId, 'admin', 'all')
  manager = await createUser(master, tenant.tenantId, 'manager', [north])
})
afterAll(() => api.close())

const ingestSettings = () => {
  const { PGHOST = '', PGPORT, PGDATABASE = '', PGUSER = '', PGPASSWORD } = api.database.environment('iot_ingest')
  return { PGHOST, PGPORT: Number(PGPORT), PGDATABASE, PGUSER, PGPASSWORD, AWS_REGION: '' }
}
const call = (method: string, path: string, body: unknown, as = admin) => api.request(method, path, { as, body })
const audit = async (action: string) =>
  (
    await api.database.master.query<{ subject: string; plant_id: string; after: unknown }>(
      'select subject, plant_id, after from audit_log where tenant_id = $1 and action = $2 order by id',
      [tenant.tenantId, action],
    )
  ).rows
const edition = (plant: string) => api.services.redis.use((client) => client.get(`edition:${tenant.slug}:${plant}`))

describe('a new plant', () => {
  const west = { slug: 'west', province: 'ba', name: 'Planta Oeste', timeZone: 'America/Argentina/Buenos_Aires' }

  it('is there at once, empty, with its author', async () => {
    const answer = await call('POST', '/v1/plants', west)
    expect(answer.status).toBe(201)
    const plant = v.parse(Plant, answer.body)
    expect(plant).toMatchObject({ ...west, counts: { machines: 0, gateways: 0 } })
    expect((await api.request('GET', `/v1/plants/${plant.plantId}`, { as: admin })).body).toEqual(plant)
    expect(await audit('plant.create')).toMatchObject([{ subject: 'west', plant_id: plant.plantId }])
    const { rows } = await api.database.master.query(
      'select (select firebase_uid from users where users.id = plants.created_by) as by from plants where id = $1',
      [plant.plantId],
    )
    expect(rows).toEqual([{ by: admin }])
  })

  it('has a slug that no other of the company has, in whatever province; another company’s does not count', async () => {
    const again = await call('POST', '/v1/plants', { ...west, province: 'sf', slug: 'north' })
    expect(again.status).toBe(409)
    expect(v.parse(Problem, again.body)).toMatchObject({ code: 'conflict', errors: [{ path: 'slug' }] })
    expect(v.parse(Problem, again.body).detail).toContain('north')
    const other = await createTenant(api.database.master, [])
    const theirs = await createUser(api.database.master, other.tenantId, 'admin', 'all')
    expect((await call('POST', '/v1/plants', { ...west, slug: 'north' }, theirs)).status).toBe(201)
  })

  it.each([
    ['slug', 'Planta Oeste'],
    ['province', '+'],
    ['name', '  '],
    ['timeZone', 'Mars/Base'],
    ['timeZone', '+03:00'],
  ])('with %s %j is refused', async (path, value) => {
    const answer = await call('POST', '/v1/plants', { ...west, slug: 'east', [path]: value })
    expect(answer.status).toBe(400)
    expect(v.parse(Problem, answer.body).errors).toMatchObject([{ path }])
  })
})

describe('a machine made before its first reading', () => {
  it('is active, and ingest finds it instead of making one', async () => {
    const answer = await call('POST', `/v1/plants/${north}/machines`, { slug: 'press-1', name: 'Press 1' }, manager)
    expect(answer.status).toBe(201)
    const machine = v.parse(Machine, answer.body)
    expect(machine).toMatchObject({ slug: 'press-1', name: 'Press 1', status: 'active', plantId: north, state: null })
    const ingest = openPostgres<Database>(ingestSettings())
    const register = machineRegister(ingest.db)
    await register.create([{ tenantId: tenant.tenantId, plantId: north, slug: 'press-1', gatewayId: randomUUID() }])
    expect(register.get({ plantId: north, slug: 'press-1' })).toMatchObject({
      id: machine.machineId,
      about: { status: 'active' },
    })
    await ingest.close()
    expect(await audit('machine.create')).toMatchObject([{ subject: 'north/press-1', plant_id: north }])
    expect(Number(await edition('north'))).toBeGreaterThan(0)
  })

  it('has a slug of its own in the plant, and room in it', async () => {
    const path = `/v1/plants/${north}/machines`
    const taken = await call('POST', path, { slug: 'press-1' })
    expect(taken).toMatchObject({ status: 409, body: { errors: [{ path: 'slug' }] } })
    expect((await call('POST', `/v1/plants/${south}/machines`, { slug: 'press-1' })).status).toBe(201)
    const full = await createTenant(api.database.master, ['full'])
    const [plant] = full.plants
    await createMachines(api.database.master, full.tenantId, plant!.plantId, 500)
    const theirs = await createUser(api.database.master, full.tenantId, 'manager', 'all')
    const refused = await call('POST', `/v1/plants/${plant!.plantId}/machines`, { slug: 'one-more' }, theirs)
    expect(refused).toMatchObject({ status: 409 })
    expect(v.parse(Problem, refused.body).detail).toContain('500')
  })

  it('is in a plant that the user sees', async () => {
    expect((await call('POST', `/v1/plants/${south}/machines`, { slug: 'x' }, manager)).status).toBe(404)
    expect((await call('POST', `/v1/plants/${randomUUID()}/machines`, { slug: 'x' })).status).toBe(404)
  })
})

describe('many machines at once', () => {
  const statuses = async (plantId: string) =>
    v
      .parse(MachinePage, (await api.request('GET', `/v1/plants/${plantId}/machines?limit=500`, { as: admin })).body)
      .items.filter(({ slug }) => slug.startsWith('machine-'))
      .map(({ status }) => status)

  it('are approved and retired, with an entry for each that was not so, in all their plants', async () => {
    const { master } = api.database
    const machineIds = [
      ...(await createMachines(master, tenant.tenantId, north, 3)),
      ...(await createMachines(master, tenant.tenantId, south, 1)),
    ]
    const [northEdition, southEdition] = [Number(await edition('north')), Number(await edition('south'))]
    const twice = [...machineIds, ...machineIds]
    expect((await call('PATCH', '/v1/machines', { machineIds: twice, status: 'active' })).body).toEqual({ changed: 4 })
    expect([await statuses(north), await statuses(south)]).toEqual([['active', 'active', 'active'], ['active']])
    expect([Number(await edition('north')), Number(await edition('south'))]).toEqual([
      northEdition + 1,
      southEdition + 1,
    ])
    expect((await call('PATCH', '/v1/machines', { machineIds, status: 'active' })).body).toEqual({ changed: 0 })
    expect(await audit('machine.change')).toHaveLength(4)
  })

  it('are changed all or not at all', async () => {
    const mine = await createMachines(api.database.master, tenant.tenantId, (await another()).plantId, 2)
    const hidden = await createMachines(api.database.master, tenant.tenantId, (await another()).plantId, 1)
    const before = (await audit('machine.change')).length
    const retire = (ids: string[], as = admin) =>
      call('PATCH', '/v1/machines', { machineIds: ids, status: 'retired' }, as)
    expect((await retire([...mine, randomUUID()])).status).toBe(404)
    expect((await retire([...mine, ...hidden], manager)).status).toBe(404)
    expect(await audit('machine.change')).toHaveLength(before)
    expect((await retire(mine)).body).toEqual({ changed: 2 })
  })

  async function another(): Promise<Plant> {
    const slug = `p-${randomUUID().slice(0, 8)}`
    const body = { slug, province: 'ba', name: slug, timeZone: 'UTC' }
    return v.parse(Plant, (await call('POST', '/v1/plants', body)).body)
  }

  it.each([
    [{ machineIds: [], status: 'active' }, 'machineIds'],
    [{ machineIds: Array.from({ length: 501 }, () => randomUUID()), status: 'active' }, 'machineIds'],
    [{ machineIds: [randomUUID()], status: 'pending' }, 'status'],
    [{ machineIds: [randomUUID()] }, 'status'],
  ])('need at most 500 and a status', async (body, path) => {
    const answer = await call('PATCH', '/v1/machines', body)
    expect(answer.status).toBe(400)
    expect(v.parse(Problem, answer.body).errors).toMatchObject([{ path }])
  })
})
