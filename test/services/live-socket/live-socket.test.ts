import { createHash, randomUUID } from 'node:crypto'
import {
  ApiGatewayManagementApiClient,
  DeleteConnectionCommand,
  GoneException,
  PostToConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi'
import type { APIGatewayProxyWebsocketEventV2, Context } from 'aws-lambda'
import { mockClient } from 'aws-sdk-client-mock'
import { createClient } from 'redis'
import * as v from 'valibot'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { MAX_FRAME_BYTES } from '../../../lambdas/runtime/live-frames.ts'
import { RealtimeTicket } from '../../../schemas/api.ts'
import { LiveServerMessage } from '../../../schemas/live.ts'
import { type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { createGateway, createMachines, createTenant, createUser, type TestTenant } from '../../helpers/tenants.ts'

type Handler = (event: APIGatewayProxyWebsocketEventV2, context: Context) => Promise<{ statusCode: number }>

let api: HttpApi
let handler: Handler
let tenant: TestTenant
let viewer: string
let frames: string[]
const redis = createClient({ url: inject('redisUrl') })
const sockets = mockClient(ApiGatewayManagementApiClient)

beforeAll(async () => {
  api = await startHttpApi()
  await redis.connect()
  Object.assign(process.env, api.database.environment('iot_api'), {
    REDIS_URL: inject('redisUrl'),
    AWS_REGION: 'us-east-1',
    AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI: 'http://127.0.0.1:1/live',
  })
  const module = await import('../../../lambdas/live-socket/live-socket.lambda.ts')
  handler = module.handler
  tenant = await createTenant(api.database.master, ['north', 'south', 'large'])
  viewer = await createUser(api.database.master, tenant.tenantId, 'viewer', [plantId('north'), plantId('large')])
  await createMachines(api.database.master, tenant.tenantId, plantId('north'), 3)
  await createGateway(api.database.master, tenant.tenantId, plantId('north'), `${tenant.slug}-g1`)
})
afterAll(async () => {
  redis.destroy()
  await api.close()
})
beforeEach(() => {
  frames = []
  sockets.reset()
  sockets.on(PostToConnectionCommand).callsFake(({ Data }: { Data: Buffer }) => {
    frames.push(Data.toString())
    return {}
  })
})

const plantId = (slug: string) => tenant.plants.find((plant) => plant.slug === slug)!.plantId
const watchers = (plant: string) => redis.zRange(`watchers:${tenant.slug}:${plant}`, 0, -1)
const messages = () => frames.map((frame) => v.parse(LiveServerMessage, JSON.parse(frame)))

async function call(
  routeKey: string,
  connectionId: string,
  more: Partial<APIGatewayProxyWebsocketEventV2> & object = {},
) {
  const requestContext = { routeKey, connectionId, requestId: randomUUID() }
  const event = { requestContext, isBase64Encoded: false, ...more } as APIGatewayProxyWebsocketEventV2
  const { statusCode } = await handler(event, { awsRequestId: 'x', functionName: 'live-socket' } as Context)
  return statusCode
}
const connect = (connectionId: string, ticket?: string) =>
  call('$connect', connectionId, ticket === undefined ? {} : { queryStringParameters: { ticket } })

async function ticketOf(user: string): Promise<string> {
  const answer = await api.request('POST', '/v1/realtime/ticket', { as: user, body: {} })
  expect(answer.status).toBe(201)
  return v.parse(RealtimeTicket, answer.body).ticket
}

async function connected(user = viewer): Promise<string> {
  const connectionId = randomUUID()
  expect(await connect(connectionId, await ticketOf(user))).toBe(200)
  return connectionId
}

async function send(connectionId: string, message: unknown): Promise<LiveServerMessage[]> {
  frames = []
  const body = typeof message === 'string' ? message : JSON.stringify(message)
  expect(await call('$default', connectionId, { body })).toBe(200)
  return messages()
}

describe('ticket', () => {
  it('opens one socket, and of two at once one', async () => {
    const ticket = await ticketOf(viewer)
    const answers = await Promise.all(['a', 'b', 'c'].map((name) => connect(`${name}-${randomUUID()}`, ticket)))
    expect(answers.sort()).toEqual([200, 403, 403])
    expect(sockets.calls()).toEqual([])
  })

  it('ends after 30 s', async () => {
    const ticket = await ticketOf(viewer)
    const key = `ticket:${createHash('sha256').update(ticket).digest('hex')}`
    const secondsLeft = await redis.ttl(key)
    expect(secondsLeft).toBeGreaterThan(25)
    expect(secondsLeft).toBeLessThanOrEqual(30)
    await redis.pExpire(key, 1)
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(await connect(randomUUID(), ticket)).toBe(403)
  })

  it.each([undefined, '', 'wrong'])('is needed: %s', async (ticket) => {
    expect(await connect(randomUUID(), ticket)).toBe(403)
  })
})

describe('subscribe', () => {
  it('gives the snapshot with the version of that moment, and makes the connection a watcher', async () => {
    await redis.set(`live-version:${tenant.slug}:north`, '41')
    const connectionId = await connected()
    const [snapshot, ...more] = await send(connectionId, { type: 'subscribe', plant: plantId('north') })
    expect(more).toEqual([])
    expect(snapshot).toMatchObject({ type: 'snapshot', plant: plantId('north'), version: 41, part: 1, parts: 1 })
    if (snapshot?.type !== 'snapshot') throw new Error('no snapshot')
    expect(snapshot.machines.map(({ slug, state }) => [slug, state?.values])).toEqual([
      ['machine-0001', { temperature: 71.2 }],
      ['machine-0002', { temperature: 71.2 }],
      ['machine-0003', { temperature: 71.2 }],
    ])
    expect(snapshot.gateways).toMatchObject([{ thingName: `${tenant.slug}-g1`, connection: 'never' }])
    expect(await watchers('north')).toContain(connectionId)
    expect(await redis.get(`plant-id:${tenant.slug}:north`)).toBe(plantId('north'))
    const expiry = (await redis.zScore(`watchers:${tenant.slug}:north`, connectionId))! - Date.now()
    expect(expiry).toBeGreaterThan(2 * 3_600_000)
  })

  it('cuts a plant of 1,000 machines into frames of at most 32 KB, each machine once', async () => {
    const values = Object.fromEntries(
      Array.from({ length: 10 }, (_, index) => [`temperature-${index}`, 20 + index / 7]),
    )
    await createMachines(api.database.master, tenant.tenantId, plantId('large'), 1000, values)
    const parts = await send(await connected(), { type: 'subscribe', plant: plantId('large') })
    expect(parts.length).toBeGreaterThan(5)
    for (const frame of frames) expect(Buffer.byteLength(frame)).toBeLessThanOrEqual(MAX_FRAME_BYTES)
    const slugs = parts.flatMap((part) => (part.type === 'snapshot' ? part.machines.map(({ slug }) => slug) : []))
    expect(slugs).toHaveLength(1000)
    expect(new Set(slugs).size).toBe(1000)
  })

  it('tells another plant, another tenant’s plant and an unknown one apart from nothing', async () => {
    const other = await createTenant(api.database.master, ['north'])
    const connectionId = await connected()
    for (const plant of [plantId('south'), other.plants[0]!.plantId, randomUUID()]) {
      expect(await send(connectionId, { type: 'subscribe', plant })).toEqual([
        { type: 'error', code: 'not_found', plant },
      ])
    }
    expect(await watchers('south')).toEqual([])
  })

  it('goes by what the user may now, not when the ticket was given', async () => {
    const user = await createUser(api.database.master, tenant.tenantId, 'viewer', 'all')
    const connectionId = await connected(user)
    const { master } = api.database
    const subscribe = { type: 'subscribe', plant: plantId('north') }
    expect((await send(connectionId, subscribe))[0]).toMatchObject({ type: 'snapshot' })
    await master.query(`update users set all_plants = false where firebase_uid = $1`, [user])
    expect((await send(connectionId, subscribe))[0]).toMatchObject({ type: 'error', code: 'not_found' })
    await master.query(`update users set all_plants = true, disabled_at = 1 where firebase_uid = $1`, [user])
    expect((await send(connectionId, subscribe))[0]).toMatchObject({ type: 'error', code: 'not_found' })
  })
})

describe('the connection', () => {
  it('answers ping and lives on by it', async () => {
    const connectionId = await connected()
    await redis.expire(`connection:${connectionId}`, 5)
    expect(await send(connectionId, { type: 'ping' })).toEqual([{ type: 'pong', versions: {} }])
    expect(await redis.ttl(`connection:${connectionId}`)).toBeGreaterThan(7_000)
  })

  it('is told with the pong which frame was the last of each plant, in case it was lost', async () => {
    const connectionId = await connected()
    const plant = plantId('north')
    const [snapshot] = await send(connectionId, { type: 'subscribe', plant })
    const { version } = snapshot as { version: number }
    await redis.incr(`live-version:${tenant.slug}:north`)
    const [pong] = await send(connectionId, { type: 'ping' })
    expect(pong).toEqual({ type: 'pong', versions: { [plant]: version + 1 } })
  })

  it('is closed when it sends more than a page does, and forgotten', async () => {
    const connectionId = await connected()
    await redis.set(`rate:connection:${connectionId}`, Date.now() + 60_000)
    expect(await send(connectionId, { type: 'ping' })).toEqual([{ type: 'error', code: 'too_many_messages' }])
    expect(sockets.commandCalls(DeleteConnectionCommand)[0]?.args[0].input).toEqual({ ConnectionId: connectionId })
    expect(await redis.exists(`connection:${connectionId}`)).toBe(0)
  })

  it('ends watching at unsubscribe and at disconnect', async () => {
    const connectionId = await connected()
    const plant = plantId('north')
    await send(connectionId, { type: 'subscribe', plant })
    await send(connectionId, { type: 'unsubscribe', plant })
    expect(await watchers('north')).not.toContain(connectionId)
    await send(connectionId, { type: 'subscribe', plant })
    await call('$disconnect', connectionId)
    expect(await watchers('north')).not.toContain(connectionId)
    expect(await redis.exists(`connection:${connectionId}`)).toBe(0)
    expect(await send(connectionId, { type: 'ping' })).toEqual([{ type: 'error', code: 'not_connected' }])
  })

  it.each(['{', 'null', '[]', '{"type":"shout"}', '{"type":"subscribe"}', '{"type":"subscribe","plant":"north"}'])(
    'refuses %s',
    async (text) => {
      expect(await send(await connected(), text)).toEqual([{ type: 'error', code: 'invalid_message' }])
    },
  )

  it('is forgotten when it is gone while the snapshot is sent', async () => {
    const connectionId = await connected()
    sockets.on(PostToConnectionCommand).rejects(new GoneException({ message: 'gone', $metadata: {} }))
    expect(await send(connectionId, { type: 'subscribe', plant: plantId('large') })).toEqual([])
    expect(await watchers('large')).not.toContain(connectionId)
    expect(sockets.commandCalls(PostToConnectionCommand)).toHaveLength(1)
  })
})
