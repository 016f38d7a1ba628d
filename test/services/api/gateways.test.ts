import * as v from 'valibot'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Gateway, GatewayConnectionPage, GatewayPage, Problem } from '../../../schemas/api.ts'
import { type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { createGateway, createTenant, createUser, type TestTenant } from '../../helpers/tenants.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

let api: HttpApi
let tenant: TestTenant
let viewer: string
let thingName: string
let path: string
/** Of the history below. */
const now = Date.now()
const buffer = { mode: 'draining', queuedMessages: 600, usedBytes: 409_600, maxBytes: 1_073_741_824, runwaySec: 7200 }
const ago = (hours: number) => now - hours * HOUR_MS

/** Begins two days ago; the session s2 has lasted for more than a day, s3 began a quarter of an hour ago. */
const HISTORY: [at: number, connection: string, reason: string | null, sessionId: string | null, restarted: boolean][] =
  [
    [ago(48), 'online', null, 's1', false],
    [ago(47), 'offline', 'shutdown', 's1', false],
    [ago(46), 'online', null, 's2', true],
    [ago(2), 'stale', 'heartbeats_missed', 's2', false],
    [ago(1), 'online', null, 's2', false],
    [ago(0.5), 'offline', 'unexpected_disconnect', 's2', false],
    [ago(0.25), 'online', null, 's3', true],
  ]

beforeAll(async () => {
  api = await startHttpApi()
  const { master } = api.database
  tenant = await createTenant(master, ['north'])
  const [{ plantId }] = tenant.plants as [TestTenant['plants'][number]]
  viewer = await createUser(master, tenant.tenantId, 'viewer', [plantId])
  thingName = `${tenant.slug}-g1`
  path = `/v1/gateways/${thingName}`
  const gatewayId = await createGateway(master, tenant.tenantId, plantId, thingName)
  await createGateway(master, tenant.tenantId, plantId, `${tenant.slug}-g2`)
  for (const [at, connection, reason, sessionId, restarted] of HISTORY) {
    await master.query('insert into gateway_connections values ($1, $2, $3, $4, $5, $6, $7)', [
      ...[tenant.tenantId, gatewayId, at, connection, reason, sessionId, restarted],
    ])
  }
  const status = {
    gateway: { thingName, version: '1.2.3', uptimeSec: 900 },
    health: { internet: 'up', mqtt: 'up', plcLink: 'down', buffer },
  }
  const heartbeats = [1_000, 800, 600].map((queuedMessages, index) => ({
    ...{ receivedAt: now - 20_000 + index * 10_000, clockSkewMs: 700, queuedMessages, uptimeSec: 880 + index * 10 },
  }))
  await master.query(
    `update gateways set connection = 'online', last_seen_at = $2, clock_skew_ms = 700, status = $3, heartbeats = $4 where id = $1`,
    [gatewayId, now, status, JSON.stringify(heartbeats)],
  )
})
afterAll(() => api.close())

const get = (url: string) => api.request('GET', url, { as: viewer })

async function connections(query = '') {
  return v.parse(GatewayConnectionPage, (await get(`${path}/connections${query}`)).body)
}
const begins = ({ items }: { items: { from: number }[] }) => items.map(({ from }) => (now - from) / HOUR_MS)

describe('a gateway', () => {
  it('tells state, health, clock, the end of its backlog, and what happened in the last day', async () => {
    const expected = {
      ...{ thingName, connection: 'online', reason: null, connectionSince: ago(0.25), lastSeenAt: now },
      ...{ clockSkewMs: 700, version: '1.2.3', uptimeSec: 900, drainEtaSec: 30 },
      health: { internet: 'up', mqtt: 'up', plcLink: 'down', buffer },
      // s2, which began before the last day but lasted into it, and s3.
      ...{ sessionsLastDay: 2, restartsLastDay: 1 },
    }
    expect(v.parse(Gateway, (await get(path)).body)).toMatchObject(expected)
    const { items } = v.parse(GatewayPage, (await get('/v1/gateways')).body)
    expect(items[0]).toMatchObject(expected)
  })

  it('that was never heard has no history', async () => {
    expect((await get(`/v1/gateways/${tenant.slug}-g2`)).body).toMatchObject({
      ...{ connection: 'never', connectionSince: null, drainEtaSec: null, sessionsLastDay: 0, restartsLastDay: 0 },
    })
    expect((await get(`/v1/gateways/${tenant.slug}-g2/connections`)).body).toEqual({ items: [], nextCursor: null })
  })
})

describe('the connections of a gateway', () => {
  it('are given newest first, each with its reason, its end and how long it lasted', async () => {
    const { items } = await connections()
    expect(begins({ items })).toEqual([0.25, 0.5, 1, 2, 46, 47, 48])
    const [current, offline, , stale] = items
    expect(current).toMatchObject({ connection: 'online', reason: null, to: null, sessionId: 's3', restarted: true })
    expect(current!.durationMs).toBeGreaterThanOrEqual(15 * MINUTE_MS)
    expect(offline).toEqual({
      ...{ connection: 'offline', reason: 'unexpected_disconnect', sessionId: 's2', restarted: false },
      ...{ from: ago(0.5), to: ago(0.25), durationMs: 15 * MINUTE_MS },
    })
    expect(stale).toMatchObject({ connection: 'stale', reason: 'heartbeats_missed', durationMs: HOUR_MS })
  })

  it('come in pages that know where the next one ends', async () => {
    const pages = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const page: v.InferOutput<typeof GatewayConnectionPage> = await connections(`?limit=3${cursor}`)
      pages.push(page)
      cursor = page.nextCursor && `&cursor=${page.nextCursor}`
    }
    expect(pages.map(begins)).toEqual([[0.25, 0.5, 1], [2, 46, 47], [48]])
    const all = pages.flatMap(({ items }) => items)
    for (const [index, { to }] of all.entries()) expect(to).toBe(index === 0 ? null : all[index - 1]!.from)
  })

  it('of a range are those that lie in it at least in part, whole', async () => {
    expect(begins(await connections(`?from=${ago(10)}&to=${ago(1)}`))).toEqual([2, 46])
    expect(begins(await connections(`?from=${ago(47)}&to=${ago(46)}`))).toEqual([47])
    expect(begins(await connections(`?from=${ago(100)}&to=${ago(47.5)}`))).toEqual([48])
    expect(begins(await connections(`?to=${ago(100)}`))).toEqual([])
    expect(begins(await connections(`?from=${ago(0.1)}`))).toEqual([0.25])
    const first = await connections(`?from=${ago(10)}&limit=2`)
    expect(begins(await connections(`?from=${ago(10)}&limit=2&cursor=${first.nextCursor}`))).toEqual([1, 2])
  })

  it.each([
    ['from=yesterday', 'from'],
    ['to=-1', 'to'],
    ['from=2000&to=1000', 'to'],
    [`cursor=${Buffer.from('{"after":"x"}').toString('base64url')}`, 'cursor'],
    ['page=2', 'page'],
  ])('refuse ?%s', async (query, wrong) => {
    const answer = await get(`${path}/connections?${query}`)
    expect(answer.status).toBe(400)
    expect(v.parse(Problem, answer.body).errors?.map((error) => error.path)).toEqual([wrong])
  })
})
