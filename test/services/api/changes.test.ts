import * as v from 'valibot'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Machine, MachinePage, Plant, Problem } from '../../../schemas/api.ts'
import { type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { createMachines, createTenant, createUser, type TestTenant } from '../../helpers/tenants.ts'

let api: HttpApi
let tenant: TestTenant
let plantId: string
let machineId: string
let admin: string
let manager: string

beforeAll(async () => {
  api = await startHttpApi()
  tenant = await createTenant(api.database.master, ['alpha'])
  plantId = tenant.plants[0]!.plantId
  admin = await createUser(api.database.master, tenant.tenantId, 'admin', 'all')
  manager = await createUser(api.database.master, tenant.tenantId, 'manager', 'all')
  ;[machineId] = (await createMachines(api.database.master, tenant.tenantId, plantId, 2)) as [string]
})
afterAll(() => api.close())

const patch = (path: string, as: string, body: unknown) => api.request('PATCH', path, { as, body })
const audit = async (action: string) =>
  (
    await api.database.master.query<{ subject: string; before: unknown; after: unknown }>(
      'select subject, before, after from audit_log where tenant_id = $1 and action = $2 order by id',
      [tenant.tenantId, action],
    )
  ).rows

it('approves, renames and retires a machine, one entry in the audit log each', async () => {
  const path = `/v1/machines/${machineId}`
  expect(v.parse(Machine, (await patch(path, manager, { status: 'active', name: 'Press 1' })).body)).toMatchObject({
    slug: 'machine-0001',
    status: 'active',
    name: 'Press 1',
  })
  expect(v.parse(Machine, (await patch(path, manager, { name: null })).body)).toMatchObject({
    status: 'active',
    name: null,
  })
  await patch(path, manager, { status: 'retired' })
  const list = v.parse(MachinePage, (await api.request('GET', `/v1/plants/${plantId}/machines`, { as: manager })).body)
  expect(list.items.map(({ status }) => status)).toEqual(['retired', 'pending'])
  const [named, ...more] = await audit('machine.change')
  expect(named).toEqual({
    subject: 'alpha/machine-0001',
    before: { name: null, status: 'pending' },
    after: { name: 'Press 1', status: 'active' },
  })
  expect(more).toHaveLength(2)
})

it('tells consumers that they have to look the plant’s machines up again', async () => {
  const edition = () => api.services.redis.use((client) => client.get(`edition:${tenant.slug}:alpha`))
  const before = Number(await edition())
  await patch(`/v1/machines/${machineId}`, manager, { name: 'Press 2' })
  expect(Number(await edition())).toBe(before + 1)
})

it('changes name and time zone of a plant', async () => {
  const answer = await patch(`/v1/plants/${plantId}`, admin, { name: 'Alpha Norte', timeZone: 'Europe/Madrid' })
  expect(v.parse(Plant, answer.body)).toMatchObject({ slug: 'alpha', name: 'Alpha Norte', timeZone: 'Europe/Madrid' })
  expect(await audit('plant.change')).toMatchObject([{ subject: 'alpha', after: { name: 'Alpha Norte' } }])
})

it.each([
  ['plants', { slug: 'beta' }, 'slug', 'never changes'],
  ['plants', { province: 'sf' }, 'province', 'never changes'],
  ['plants', { timeZone: 'Mars/Base' }, 'timeZone', 'IANA'],
  ['plants', { nam: 'x' }, 'nam', ''],
  ['plants', {}, '', 'must change something'],
  ['machines', { slug: 'press' }, 'slug', 'never changes'],
  ['machines', { status: 'pending' }, 'status', ''],
  ['machines', {}, '', 'must change something'],
])('refuses to change %s by %j, says why, and changes nothing', async (kind, body, path, message) => {
  const count = async () => (await api.database.master.query('select from audit_log')).rowCount
  const before = await count()
  const answer = await patch(`/v1/${kind}/${kind === 'plants' ? plantId : machineId}`, admin, body)
  expect(answer.status).toBe(400)
  const [error] = v.parse(Problem, answer.body).errors!
  expect(error).toMatchObject({ path })
  expect(error!.message).toContain(message)
  expect(await count()).toBe(before)
})
