import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MAX_BODY_BYTES } from '../../../lambdas/api/read-input.ts'
import { routes } from '../../../lambdas/api/routes.ts'
import type { Database } from '../../../lambdas/data/database.ts'
import { openPostgres } from '../../../lambdas/runtime/postgres.ts'
import { openRedis } from '../../../lambdas/runtime/redis.ts'
import { Machine, MachinePage, Me, PlantPage, Problem, SearchAnswer } from '../../../schemas/api.ts'
import { type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { createGateway, createMachines, createTenant, createUser, type TestTenant } from '../../helpers/tenants.ts'

let api: HttpApi
let tenant: TestTenant
let plantId: string
let machineIds: string[]
let admin: string

beforeAll(async () => {
  api = await startHttpApi()
  tenant = await createTenant(api.database.master, ['alpha', 'beta', 'gamma'])
  plantId = tenant.plants[0]!.plantId
  admin = await createUser(api.database.master, tenant.tenantId, 'admin', 'all')
  machineIds = await createMachines(api.database.master, tenant.tenantId, plantId, 7)
})
afterAll(() => api.close())

const get = (path: string) => api.request('GET', path, { as: admin })

async function wrongPaths(method: string, path: string, options: { body?: unknown; rawBody?: string }) {
  const answer = await api.request(method, path, { as: admin, ...options })
  expect(answer.status).toBe(400)
  return v
    .parse(Problem, answer.body)
    .errors?.map((error) => error.path)
    .sort()
}

describe('what is read', () => {
  it('is who one is', async () => {
    const me = v.parse(Me, (await get('/v1/me')).body)
    expect(me).toMatchObject({ role: 'admin', plantAccess: 'all', tenant: { slug: tenant.slug } })
  })

  it('is a machine with its state, and one without', async () => {
    expect(v.parse(Machine, (await get(`/v1/machines/${machineIds[0]}`)).body)).toMatchObject({
      slug: 'machine-0001',
      plantId,
      status: 'pending',
      thingName: null,
      units: {},
      state: { timestamp: 1000, seq: 7, receivedAt: 1100, values: { temperature: 71.2 } },
    })
    await api.database.master.query('delete from machine_state where machine_id = $1', [machineIds[6]])
    expect(v.parse(Machine, (await get(`/v1/machines/${machineIds[6]}`)).body).state).toBeNull()
  })

  it('counts what a plant has', async () => {
    const gatewayId = await createGateway(api.database.master, tenant.tenantId, plantId, `${tenant.slug}-g1`)
    await createGateway(api.database.master, tenant.tenantId, plantId, `${tenant.slug}-g2`)
    await api.database.master.query(`update gateways set connection = 'online' where id = $1`, [gatewayId])
    const plants = v.parse(PlantPage, (await get('/v1/plants')).body)
    expect(plants.items.map(({ slug, counts }) => [slug, counts])).toMatchObject([
      ['alpha', { machines: 7, gateways: 2, gatewaysOnline: 1, gatewaysUnknown: 0 }],
      ['beta', { machines: 0, gateways: 0, gatewaysOnline: 0, gatewaysUnknown: 0 }],
      ['gamma', { machines: 0, gateways: 0, gatewaysOnline: 0, gatewaysUnknown: 0 }],
    ])
  })

  it('is found by a text in its name, of the plants that one may see', async () => {
    const { master } = api.database
    await master.query(`update machines set name = 'Horno 100% 真空' where id = $1`, [machineIds[2]])
    const limited = await createUser(master, tenant.tenantId, 'viewer', [tenant.plants[1]!.plantId])
    const found = async (text: string, as = admin) => {
      const { body } = await api.request('GET', `/v1/search?text=${encodeURIComponent(text)}`, { as })
      return v.parse(SearchAnswer, body).items.map(({ kind, slug }) => `${kind} ${slug}`)
    }
    expect(await found('真空')).toEqual(['machine machine-0003'])
    expect(await found('100%')).toEqual(['machine machine-0003'])
    expect(await found('%')).toEqual(['machine machine-0003'])
    expect(await found('ALPH')).toEqual(['plant alpha'])
    expect(await found(`${tenant.slug}-g`)).toEqual([`gateway ${tenant.slug}-g1`, `gateway ${tenant.slug}-g2`])
    expect(await found('machine')).toHaveLength(7)
    expect(await found('a', limited)).toEqual(['plant beta'])
  })

  it('comes in pages that an insert in between does not shift', async () => {
    const page = async (cursor?: string) =>
      v.parse(
        MachinePage,
        (await get(`/v1/plants/${plantId}/machines?limit=3${cursor === undefined ? '' : `&cursor=${cursor}`}`)).body,
      )
    const first = await page()
    await api.database.master.query(
      `insert into machines (id, tenant_id, plant_id, slug, created_at, updated_at) values ($1, $2, $3, 'a-first', 0, 0)`,
      ['01890a5d-ac96-774b-bcce-b302099a8057', tenant.tenantId, plantId],
    )
    const second = await page(first.nextCursor!)
    const third = await page(second.nextCursor!)
    expect([first, second, third].flatMap(({ items }) => items.map(({ machineId }) => machineId))).toEqual(machineIds)
    expect(third.nextCursor).toBeNull()
  })
})

describe('bad input', () => {
  it('lists the path of each wrong field', async () => {
    const body = { plantId: 'x', thingName: 'has a space', extra: 1 }
    expect(await wrongPaths('POST', '/v1/gateways', { body })).toEqual(['extra', 'plantId', 'thingName'])
    expect(await wrongPaths('POST', '/v1/gateways', { body: {} })).toEqual(['plantId'])
    expect(await wrongPaths('POST', '/v1/enrolments', { body: { token: 1 } })).toEqual(['csr', 'token'])
    for (const rawBody of ['{', '', 'null', '[]']) {
      expect(await wrongPaths('POST', '/v1/gateways', { rawBody })).toHaveLength(1)
    }
  })

  it.each([
    ['limit=0', 'limit'],
    ['limit=501', 'limit'],
    ['limit=ten', 'limit'],
    ['cursor=bm9wZQ', 'cursor'],
    [`cursor=${Buffer.from(String.raw`{"after":"\u0000"}`).toString('base64url')}`, 'cursor'],
    ['plantId=1', 'plantId'],
    ['page=2', 'page'],
  ])('refuses ?%s', async (query, path) => {
    expect(await wrongPaths('GET', `/v1/gateways?${query}`, {})).toEqual([path])
  })

  it('refuses a thingName whose status topic would be longer than IoT Core takes', async () => {
    const long = 'x'.repeat(63)
    await api.database.master.query(
      `update plants set slug = $1, province = $1 where slug = 'gamma' and tenant_id = $2`,
      [long, tenant.tenantId],
    )
    const body = { plantId: tenant.plants[2]!.plantId, thingName: 'y'.repeat(128) }
    expect(await wrongPaths('POST', '/v1/gateways', { body })).toEqual(['thingName'])
  })

  it('refuses a body above 1 MB, an unknown path and a method that a path has not', async () => {
    const large = await api.request('POST', '/v1/gateways', { as: admin, rawBody: ' '.repeat(MAX_BODY_BYTES + 1) })
    expect(large).toMatchObject({ status: 413, body: { code: 'payload_too_large' } })
    for (const path of ['/v1/nothing', '/v1/me/', '/', '/v1//machines/', '/v1/machines/%00']) {
      expect(await get(path)).toMatchObject({ status: 404, body: { code: 'not_found' } })
    }
    const wrong = await api.request('DELETE', '/v1/gateways', { as: admin })
    expect(wrong).toMatchObject({ status: 405, headers: { allow: 'GET, POST' }, body: { code: 'method_not_allowed' } })
  })
})

describe('without its services', () => {
  const redis = openRedis({ REDIS_URL: 'redis://127.0.0.1:1' })

  it('reads the user from Postgres when Redis is away, gives no ticket, and is degraded', async () => {
    const { redis: present } = api.services
    api.services.redis = redis
    const [me, ticket, health] = [
      await get('/v1/me'),
      await api.request('POST', '/v1/realtime/ticket', { as: admin, body: {} }),
      await get('/v1/health'),
    ]
    api.services.redis = present
    expect(me.status).toBe(200)
    expect(ticket).toMatchObject({ status: 503, body: { code: 'unavailable' } })
    expect(health).toMatchObject({ status: 200, body: { status: 'degraded', redis: 'down', postgres: 'up' } })
  })

  it('is 503 for health and 500 without a trace of the reason when Postgres is gone', async () => {
    const nowhere = { PGHOST: '127.0.0.1', PGPORT: 1, PGDATABASE: 'x', PGUSER: 'x', PGPASSWORD: 'x', AWS_REGION: '' }
    const broken = await startHttpApi({ db: openPostgres<Database>(nowhere).db })
    const health = await broken.request('GET', '/v1/health')
    expect(health).toMatchObject({ status: 503, body: { status: 'degraded', postgres: 'down', redis: 'up' } })
    const me = await broken.request('GET', '/v1/me', { as: 'somebody' })
    expect(me).toMatchObject({ status: 500, body: { code: 'internal' } })
    expect(JSON.stringify(me.body)).not.toMatch(/ECONNREFUSED|node_modules|at /)
    await broken.close()
  })
})

describe('OpenAPI', () => {
  it('describes the routes, all of them and no other', async () => {
    const { body } = await api.request('GET', '/v1/openapi.json')
    const document = v.parse(v.object({ paths: v.record(v.string(), v.record(v.string(), v.unknown())) }), body)
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect(described.sort()).toEqual(routes.map(({ method, path }) => `${method} ${path}`).sort())
  })

  it('refers to nothing that is not there', async () => {
    const { body } = await api.request('GET', '/v1/openapi.json')
    const text = JSON.stringify(body)
    const known = v.parse(v.object({ components: v.object({ schemas: v.record(v.string(), v.unknown()) }) }), body)
    const named = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map((match) => match[1]!)
    expect(named.length).toBeGreaterThan(10)
    expect(new Set(named).difference(new Set(Object.keys(known.components.schemas)))).toEqual(new Set())
    expect(text).not.toContain('$defs')
  })

  it('has one file per route', () => {
    const table = readFileSync(join(import.meta.dirname, '../../../lambdas/api/routes.ts'), 'utf8')
    expect(table.match(/from '\.\/routes\//g)).toHaveLength(routes.length)
    expect(new Set(routes.map(({ operationId }) => operationId)).size).toBe(routes.length)
  })
})
