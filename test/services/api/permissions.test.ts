import * as v from 'valibot'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { routes } from '../../../lambdas/api/routes.ts'
import { CompletenessSummary, GatewayPage, Me, PlantPage } from '../../../schemas/api.ts'
import { OPERATIONS, PERMISSIONS, Role } from '../../../schemas/permissions.ts'
import { startHttpApi, type HttpApi } from '../../helpers/http-api.ts'
import { createGateway, createMachines, createTenant, createUser, type TestTenant } from '../../helpers/tenants.ts'

let api: HttpApi
let ours: TestTenant
let theirs: TestTenant
let ourMachine: string
let hiddenMachine: string
let theirMachine: string
let someone: string
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
  const uid = await createUser(master, ours.tenantId, 'viewer', [north!.plantId])
  someone = v.parse(Me, (await api.request('GET', '/v1/me', { as: uid })).body).userId
})
afterAll(() => api.close())

/** A call of each route that would succeed if the caller may make it, or fail for no reason of permission. */
function callOf(operationId: string): [path: string, body?: unknown] {
  const calls: Record<string, [string, unknown?]> = {
    getMe: ['/v1/me'],
    changeMe: ['/v1/me', { locale: 'es' }],
    signOutMe: ['/v1/me/sign-out', {}],
    createPlant: ['/v1/plants', { slug: 'x' }],
    createMachine: [`/v1/plants/${ours.plants[0]!.plantId}/machines`, { slug: 'No' }],
    changeMachines: ['/v1/machines', { machineIds: [ourMachine], status: 'active' }],
    listUsers: ['/v1/users'],
    createUser: ['/v1/users', { email: 'none' }],
    changeUser: [`/v1/users/${someone}`, { role: 'none' }],
    getUser: [`/v1/users/${someone}`],
    inviteUser: [`/v1/users/${someone}/invite`, {}],
    signOutUser: [`/v1/users/${someone}/sign-out`, {}],
    listAudit: ['/v1/audit'],
    listPlants: ['/v1/plants'],
    getPlant: [`/v1/plants/${ours.plants[0]!.plantId}`],
    changePlant: [`/v1/plants/${ours.plants[0]!.plantId}`, { timeZone: 'UTC' }],
    changeMachine: [`/v1/machines/${ourMachine}`, { status: 'active' }],
    listMachines: [`/v1/plants/${ours.plants[0]!.plantId}/machines`],
    getMachine: [`/v1/machines/${ourMachine}`],
    listTags: [`/v1/machines/${ourMachine}/tags`],
    getHistory: [`/v1/machines/${ourMachine}/history?tag=temperature&from=0&to=1000`],
    listEvents: [`/v1/machines/${ourMachine}/events`],
    getMachineCompleteness: [`/v1/machines/${ourMachine}/completeness`],
    getMachineCompletenessStrip: [`/v1/machines/${ourMachine}/completeness/strip?from=0&to=7200000&cellMs=3600000`],
    getPlantCompleteness: [`/v1/plants/${ours.plants[0]!.plantId}/completeness`],
    getCompleteness: ['/v1/completeness'],
    listGateways: ['/v1/gateways'],
    getGateway: [`/v1/gateways/${ours.slug}-north`],
    listGatewayConnections: [`/v1/gateways/${ours.slug}-north/connections`],
    createGateway: ['/v1/gateways', { plantId: 'not a uuid' }],
    createTicket: ['/v1/realtime/ticket', {}],
    listDeadLetters: ['/v1/dead-letters'],
    listDeadLetterGroups: ['/v1/dead-letter-groups'],
    redriveDeadLetters: ['/v1/dead-letters/redrive', { code: 'invalid_json' }],
    discardDeadLetter: [`/v1/dead-letters/${ourMachine}`, { reason: '' }],
    enrol: ['/v1/enrolments', { token: 'wrong', csr: 'x' }],
    getHealth: ['/v1/health'],
    getOpenApi: ['/v1/openapi.json'],
  }
  const call = calls[operationId]
  if (!call) throw new Error(`This test knows no call of ${operationId}`)
  return call
}

describe.each(routes.map((route) => ({ ...route, name: `${route.method} ${route.path}` })))('$name', (route) => {
  if (route.kind === 'open') {
    it('answers without a user', async () => {
      const [path, body] = callOf(route.operationId)
      const answer = await api.request(route.method, path, { body })
      expect(answer.body).not.toMatchObject({ code: 'unauthenticated' })
      expect(answer.status).toBeLessThan(500)
    })
    return
  }

  const allowed: readonly string[] = PERMISSIONS[OPERATIONS[route.operationId]]
  it.each(Role.options)('as %s', async (role) => {
    const [path, body] = callOf(route.operationId)
    const answer = await api.request(route.method, path, { as: limited[role]!, body })
    if (allowed.includes(role)) expect([200, 201, 202, 400]).toContain(answer.status)
    else expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } })
  })

  it('refuses whom the authorizer has not seen, an unknown and a disabled user', async () => {
    const [path, body] = callOf(route.operationId)
    const disabled = await createUser(api.database.master, ours.tenantId, 'admin', 'all', Date.now())
    expect(await api.request(route.method, path, { body })).toMatchObject({
      status: 401,
      body: { code: 'unauthenticated' },
    })
    for (const as of ['nobody', disabled]) {
      expect(await api.request(route.method, path, { as, body })).toMatchObject({
        status: 403,
        body: { code: 'forbidden' },
      })
    }
  })
})

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
