/** What the frame sees to for every route: repeats, lost updates, rates. */
import { randomUUID } from 'node:crypto'
import * as v from 'valibot'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RATE_LIMITS } from '../../../lambdas/api/rate-limit.ts'
import { routes } from '../../../lambdas/api/routes.ts'
import { openRedis } from '../../../lambdas/runtime/redis.ts'
import { CreatedGateway } from '../../../schemas/api.ts'
import { exampleCall, pathOf } from '../../helpers/example-calls.ts'
import { type HttpAnswer, type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { createPlaces } from '../../helpers/places.ts'
import { startTestIot, type TestIot } from '../../helpers/test-iot.ts'
import { createMachines, createTenant, createUser, type TestTenant } from '../../helpers/tenants.ts'

/** Changes that no other could be lost by, with the reason. */
const WITHOUT_VERSION: Record<string, string> = {
  changeMachines: 'says of many what each is to be',
  changeMe: 'has a single field',
}

let api: HttpApi
let iot: TestIot
let tenant: TestTenant
let plantId: string
let machineId: string
let admin: string

beforeAll(async () => {
  iot = await startTestIot()
  api = await startHttpApi({ iot: iot.iot, iotData: iot.iotData })
  tenant = await createTenant(api.database.master, ['alpha', 'beta'])
  plantId = tenant.plants[0]!.plantId
  admin = await createUser(api.database.master, tenant.tenantId, 'admin', 'all')
  ;[machineId] = (await createMachines(api.database.master, tenant.tenantId, plantId, 1)) as [string]
})
afterAll(async () => {
  await api.close()
  await iot.close()
})

const changes = async () => {
  const { rows } = await api.database.master.query<{ n: number }>('select count(*) as n from audit_log')
  return rows[0]!.n
}
const rename = (name: string, headers: Record<string, string> = {}, as = admin) =>
  api.request('PATCH', `/v1/machines/${machineId}`, { as, body: { name }, headers })
const newGateway = (key: string, body: object = { plantId }) =>
  api.request('POST', '/v1/gateways', { as: admin, body, headers: { 'Idempotency-Key': key } })
const master = (sql: string, values: unknown[] = []) => api.database.master.query(sql, values)
const withoutId = ({ status, body }: HttpAnswer) => ({ status, body })

describe('Idempotency-Key', () => {
  it('gives a repeat the first answer and does the work once, also of a request in several transactions', async () => {
    for (const send of [(key: string) => rename('Press', { 'Idempotency-Key': key }), newGateway]) {
      const [key, before] = [randomUUID(), await changes()]
      const first = await send(key)
      const done = await changes()
      expect(done).toBeGreaterThan(before)
      // In quotes, as the draft has it, it is the same key.
      const again = await send(`"${key}"`)
      expect(withoutId(again)).toEqual(withoutId(first))
      expect(again.headers['idempotency-replayed']).toBe('true')
      expect(again.headers['etag']).toBe(first.headers['etag'])
      expect(again.headers['x-request-id']).not.toBe(first.headers['x-request-id'])
      expect(await changes()).toBe(done)
    }
  })

  it('is of one user and one operation', async () => {
    const key = { 'Idempotency-Key': randomUUID() }
    const other = await createUser(api.database.master, tenant.tenantId, 'admin', 'all')
    const before = await changes()
    await rename('Press', key)
    await rename('Press', key, other)
    await api.request('PATCH', `/v1/plants/${plantId}`, { as: admin, body: { name: 'Press' }, headers: key })
    expect(await changes()).toBe(before + 3)
  })

  it('refuses another request with the same key, and what is no key', async () => {
    const key = { 'Idempotency-Key': randomUUID() }
    await rename('Press', key)
    expect(await rename('Lathe', key)).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } })
    for (const wrong of ['', ' ', 'a b', 'x'.repeat(256), 'ñ']) {
      expect(await rename('Press', { 'Idempotency-Key': wrong })).toMatchObject({
        status: 400,
        body: { errors: [{ path: 'Idempotency-Key' }] },
      })
    }
  })

  it('remembers no refusal', async () => {
    const key = { 'Idempotency-Key': randomUUID(), 'If-Match': '"an older one"' }
    expect((await rename('Saw', key)).status).toBe(412)
    expect((await rename('Saw', { ...key, 'If-Match': '*' })).status).toBe(200)
  })

  it('does the work of repeats at the same time, in other instances of the function, once', async () => {
    const instances = Array.from({ length: 4 }, () => api.anotherInstance())
    const body = { plantId }
    for (const [method, path, sent, statuses] of [
      ['PATCH', `/v1/machines/${machineId}`, { name: 'Drill' }, [200]],
      ['POST', '/v1/gateways', body, [201, 409]],
    ] as const) {
      const send = (instance: (typeof instances)[number], key: string) =>
        instance.request(method, path, { as: admin, body: sent, headers: { 'Idempotency-Key': key } })
      const before = await changes()
      await send(instances[0]!, randomUUID())
      const perRequest = (await changes()) - before
      const key = randomUUID()
      const answers = await Promise.all([...instances, ...instances].map((instance) => send(instance, key)))
      expect(statuses).toEqual(expect.arrayContaining([...new Set(answers.map(({ status }) => status))]))
      expect(
        answers.filter(({ headers, status }) => status < 300 && !('idempotency-replayed' in headers)),
      ).toHaveLength(1)
      expect(await changes()).toBe(before + 2 * perRequest)
    }
    await Promise.all(instances.map((instance) => instance.close()))
  })

  it('does nothing by halves when the answer cannot be stored with the work', async () => {
    await master(`create function refuse() returns trigger language plpgsql as $$ begin raise 'crash'; end $$;
      create trigger refuse before update of answer on idempotency_keys for each row execute function refuse()`)
    const key = { 'Idempotency-Key': randomUUID() }
    const before = await changes()
    expect((await rename('Half', key)).status).toBe(500)
    expect(await changes()).toBe(before)
    await master('drop trigger refuse on idempotency_keys')
    expect((await rename('Half', key)).status).toBe(200)
    expect(await changes()).toBe(before + 1)
  })

  describe('of a request in several transactions that has broken off', () => {
    const gateways = async () => (await master('select from gateways where tenant_id = $1', [tenant.tenantId])).rowCount
    const age = () => master('update idempotency_keys set started_at = started_at - 31000 where answer is null')

    /** The key of a request whose function was ended when its gateway was made and its answer was not stored. */
    async function brokenOff(): Promise<{ key: string; made: number | null; thingName: string }> {
      await master(
        'create trigger refuse before update of answer on idempotency_keys for each row execute function refuse()',
      )
      const key = randomUUID()
      expect((await newGateway(key)).status).toBe(500)
      await master('drop trigger refuse on idempotency_keys')
      const { rows } = await master('select thing_name from gateways order by created_at desc, id desc limit 1')
      return { key, made: await gateways(), thingName: (rows[0] as { thing_name: string }).thing_name }
    }

    it('takes it up, not before it must have ended, and makes nothing twice that it has made a name for', async () => {
      const { key, made, thingName } = await brokenOff()
      expect(await newGateway(key)).toMatchObject({
        status: 409,
        body: { code: 'request_in_progress' },
        headers: { 'retry-after': '5' },
      })
      await age()
      const taken = v.parse(CreatedGateway, (await newGateway(key)).body)
      expect(taken.gateway.thingName).toBe(thingName)
      expect(await gateways()).toBe(made)
      expect(v.parse(CreatedGateway, (await newGateway(key)).body)).toEqual(taken)
    })

    it('takes the same up once more when that has failed', async () => {
      const { key, made, thingName } = await brokenOff()
      await age()
      iot.failAt('CreateThing', 'before')
      expect((await newGateway(key)).status).toBe(500)
      expect(await newGateway(key)).toMatchObject({ status: 201, body: { gateway: { thingName } } })
      expect(await gateways()).toBe(made)
    })

    it('leaves a gateway alone that somebody has enrolled or moved since', async () => {
      for (const change of [`lifecycle = 'enrolled'`, `plant_id = '${tenant.plants[1]!.plantId}'`]) {
        const { key, made, thingName } = await brokenOff()
        const policy = () => structuredClone(iot.registry.state.policies[thingName])
        await age()
        await master(`update gateways set ${change} where thing_name = $1`, [thingName])
        const before = policy()
        expect(await newGateway(key)).toMatchObject({ status: 409, body: { code: 'conflict' } })
        expect(await gateways()).toBe(made)
        expect(policy()).toEqual(before)
      }
    })
  })

  it('is forgotten after a day', async () => {
    const key = { 'Idempotency-Key': randomUUID() }
    const before = await changes()
    await rename('Old', key)
    await master('update idempotency_keys set started_at = started_at - 86400001')
    await rename('Old', key)
    expect(await changes()).toBe(before + 2)
    const { rowCount } = await master('select from idempotency_keys where started_at < $1', [Date.now() - 86_400_000])
    const left = rowCount!
    for (let n = 0; n < left; n++) await rename('Old', { 'Idempotency-Key': randomUUID() })
    expect(
      (await master('select from idempotency_keys where started_at < $1', [Date.now() - 86_400_000])).rowCount,
    ).toBe(0)
  })

  it('keeps neither key nor token where the database can tell them', async () => {
    const key = randomUUID()
    const { enrolment } = v.parse(CreatedGateway, (await newGateway(key)).body)
    const { rows } = await master('select k::text as row, answer from idempotency_keys k')
    for (const { row, answer } of rows as { row: string; answer: Buffer }[]) {
      expect(row).not.toContain(key)
      expect(answer.includes(enrolment.token) || answer.includes('token')).toBe(false)
    }
  })
})

describe('ETag', () => {
  it('changes with what people change, and not with the values of a machine', async () => {
    const tag = async () => (await api.request('GET', `/v1/machines/${machineId}`, { as: admin })).headers['etag']
    const first = await tag()
    await master('update machine_state set ts = ts + 1, values = $1 where machine_id = $2', ['{"a":1}', machineId])
    expect(await tag()).toBe(first)
    const changed = await rename(`Named ${randomUUID()}`)
    expect(changed.headers['etag']).not.toBe(first)
    expect(await tag()).toBe(changed.headers['etag'])
  })

  it.each(['machines', 'plants'])('stops the second of two changes to %s from the same reading', async (kind) => {
    const path = `/v1/${kind}/${kind === 'plants' ? plantId : machineId}`
    const { headers } = await api.request('GET', path, { as: admin })
    const change = (name: string, ifMatch: string) =>
      api.request('PATCH', path, { as: admin, body: { name }, headers: { 'If-Match': ifMatch } })
    const etag = String(headers['etag'])
    const answers = await Promise.all([change('One', etag), change('Two', `"x", ${etag}`)])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412])
    const winner = answers.find(({ status }) => status === 200)!
    expect((await api.request('GET', path, { as: admin })).headers['etag']).toBe(winner.headers['etag'])
    const lost = await change('Three', `W/${String(winner.headers['etag'])}`)
    expect(lost).toMatchObject({ status: 412, body: { code: 'precondition_failed' } })
    expect((await change('Three', '*')).status).toBe(200)
  })

  it.each(
    routes
      .filter(({ method, operationId }) => method === 'PATCH' && !(operationId in WITHOUT_VERSION))
      .map((route) => ({ route, name: `${route.method} ${route.path}` })),
  )('of what is read goes with $name', async ({ route: { path, operationId } }) => {
    const { tenant, places } = await createPlaces(api.database.master, ['north'])
    const as = await createUser(api.database.master, tenant.tenantId, 'admin', 'all')
    const call = await exampleCall(operationId, places[0]!)
    const change = (ifMatch: string) =>
      api.request('PATCH', pathOf(path, call), { as, body: call.body, headers: { 'If-Match': ifMatch } })
    const read = await api.request('GET', pathOf(path, call), { as })
    expect((await change('"of another"')).status).toBe(412)
    const changed = await change(String(read.headers['etag']))
    expect(changed.status).toBe(200)
    expect(changed.headers['etag']).not.toBe(read.headers['etag'])
    expect((await api.request('GET', pathOf(path, call), { as })).headers['etag']).toBe(changed.headers['etag'])
  })

  it('is not ignored where it cannot be checked', async () => {
    const body = { plantId }
    const answer = await api.request('POST', '/v1/gateways', { as: admin, body, headers: { 'If-Match': '"x"' } })
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ path: 'If-Match' }] } })
  })
})

describe('rate', () => {
  const me = (as: string) => api.request('GET', '/v1/me', { as })

  it('of a user, and of all users of a company, is limited, and says when to come back', async () => {
    const crowded = await createTenant(api.database.master, ['x'])
    const [ana, beto, carla] = (await Promise.all(
      [1, 2, 3].map(() => createUser(api.database.master, crowded.tenantId, 'viewer', 'all')),
    )) as [string, string, string]
    const { rateLimits } = api.services
    api.services.rateLimits = {
      ...RATE_LIMITS,
      user: { perSecond: 0.01, burst: 3 },
      tenant: { perSecond: 0.01, burst: 5 },
    }
    const statuses = async (as: string, times: number) => {
      const all = []
      for (let n = 0; n < times; n++) all.push((await me(as)).status)
      return all
    }
    expect(await statuses(ana, 4)).toEqual([200, 200, 200, 429])
    expect(await statuses(beto, 3)).toEqual([200, 200, 429])
    const refused = await me(carla)
    expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited' } })
    const seconds = Number(refused.headers['retry-after'])
    expect(seconds).toBeGreaterThan(90)
    expect(seconds).toBeLessThanOrEqual(100)
    expect((await me(admin)).status).toBe(200)
    api.services.rateLimits = rateLimits
  })

  it('has room again when its time has passed', async () => {
    const busy = await createTenant(api.database.master, ['x'])
    const ana = await createUser(api.database.master, busy.tenantId, 'viewer', 'all')
    const { rateLimits } = api.services
    api.services.rateLimits = { ...RATE_LIMITS, user: { perSecond: 50, burst: 1 }, tenant: RATE_LIMITS.tenant }
    await expect.poll(async () => (await me(ana)).status, { interval: 1 }).toBe(429)
    await expect.poll(async () => (await me(ana)).status).toBe(200)
    api.services.rateLimits = rateLimits
  })

  it('is not limited while Redis is away', async () => {
    const { redis, rateLimits } = api.services
    api.services.redis = openRedis({ REDIS_URL: 'redis://127.0.0.1:1' })
    api.services.rateLimits = {
      ...RATE_LIMITS,
      user: { perSecond: 0.01, burst: 1 },
      tenant: { perSecond: 0.01, burst: 1 },
    }
    expect([(await me(admin)).status, (await me(admin)).status]).toEqual([200, 200])
    Object.assign(api.services, { redis, rateLimits })
  })
})
