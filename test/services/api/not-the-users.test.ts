import * as v from 'valibot'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CompletenessSummary, GatewayPage, PlantPage } from '../../../schemas/api.ts'
import { Role } from '../../../schemas/permissions.ts'
import { startHttpApi, type HttpApi } from '../../helpers/http-api.ts'
import { createGateway, createMachines, createTenant, createUser, type TestTenant } from '../../helpers/tenants.ts'

let api: HttpApi
let ours: TestTenant
let theirs: TestTenant
let ourMachine: string
let hiddenMachine: string
let theirMachine: string
/** By role: sees the first plant only. */
const limited: Record<string, string> = {}
const everywhere: Record<string, string> = {}

beforeAll(async () => {
  api = await startHttpApi()
  const { master } = api.database
  ours = await createTenant(master, ['north', 'south'])
  theirs = await createTenant(master, ['north'])
  const [north, south] = ours.plants
  ;[ourMachine] = (await createMachines(master, ours.tenantId, north!.plantId, 3)) as [string]
  ;[hiddenMachine] = (await createMachines(master, ours.tenantId, south!.plantId, 1)) as [string]
  ;[theirMachine] = (await createMachines(master, theirs.tenantId, theirs.plants[0]!.plantId, 1)) as [string]
  await createGateway(master, ours.tenantId, north!.plantId, `${ours.slug}-north`)
  await createGateway(master, ours.tenantId, south!.plantId, `${ours.slug}-south`)
  await createGateway(master, theirs.tenantId, theirs.plants[0]!.plantId, `${theirs.slug}-north`)
  for (const role of Role.options) {
    limited[role] = await createUser(master, ours.tenantId, role, [north!.plantId])
    everywhere[role] = await createUser(master, ours.tenantId, role, 'all')
  }
})
afterAll(() => api.close())

describe('what is not the user’s', () => {
  it.each(['plant', 'tenant', 'malformed', 'unknown'])('is 404 by id: of another %s', async (kind) => {
    const plantId = {
      plant: ours.plants[1]!.plantId,
      tenant: theirs.plants[0]!.plantId,
      malformed: "1'or'1",
      unknown: ourMachine,
    }[kind]
    const machineId = { plant: hiddenMachine, tenant: theirMachine, malformed: '..', unknown: ours.tenantId }[kind]
    const thingName = {
      plant: `${ours.slug}-south`,
      tenant: `${theirs.slug}-north`,
      malformed: 'a+b',
      unknown: `${ours.slug}-west`,
    }[kind]
    const as = limited['admin']!
    const answers = await Promise.all([
      api.request('GET', `/v1/plants/${plantId}/machines`, { as }),
      api.request('GET', `/v1/machines/${machineId}`, { as }),
      api.request('PATCH', `/v1/plants/${plantId}`, { as, body: { name: 'Mine' } }),
      api.request('PATCH', `/v1/machines/${machineId}`, { as, body: { name: 'Mine' } }),
      api.request('GET', `/v1/gateways/${thingName}`, { as }),
      api.request('GET', `/v1/gateways/${thingName}/connections`, { as }),
      kind === 'malformed' ? undefined : api.request('GET', `/v1/machines/${machineId}/completeness`, { as }),
      kind === 'malformed'
        ? undefined
        : api.request('GET', `/v1/machines/${machineId}/completeness/strip?from=0&to=60000&cellMs=60000`, { as }),
      api.request('GET', `/v1/plants/${plantId}/completeness`, { as }),
      kind === 'malformed' ? undefined : api.request('GET', `/v1/gateways?plantId=${plantId}`, { as }),
      kind === 'malformed' ? undefined : api.request('POST', '/v1/gateways', { as, body: { plantId } }),
    ])
    for (const answer of answers.filter((one) => one !== undefined)) {
      expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } })
    }
  })

  it('is in no list', async () => {
    const plants = v.parse(PlantPage, (await api.request('GET', '/v1/plants', { as: limited['viewer']! })).body)
    expect(plants.items.map((plant) => plant.slug)).toEqual(['north'])
    const gateways = v.parse(GatewayPage, (await api.request('GET', '/v1/gateways', { as: limited['viewer']! })).body)
    expect(gateways.items.map((gateway) => gateway.thingName)).toEqual([`${ours.slug}-north`])
    const all = v.parse(GatewayPage, (await api.request('GET', '/v1/gateways', { as: everywhere['viewer']! })).body)
    expect(all.items).toHaveLength(2)
  })

  it('is in no summary', async () => {
    const read = async (path: string, as: string) =>
      v.parse(CompletenessSummary, (await api.request('GET', path, { as })).body)
    expect(await read('/v1/completeness', limited['viewer']!)).toMatchObject({ machines: 3 })
    expect(await read('/v1/completeness', everywhere['viewer']!)).toMatchObject({ machines: 4 })
    const south = `/v1/plants/${ours.plants[1]!.plantId}/completeness`
    expect((await read(south, everywhere['viewer']!)).items).toMatchObject([{ machineId: hiddenMachine }])
  })
})
