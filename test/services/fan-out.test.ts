import {
  ApiGatewayManagementApiClient,
  GoneException,
  LimitExceededException,
  PostToConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi'
import { mockClient } from 'aws-sdk-client-mock'
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda'
import { createClient } from 'redis'
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { cachedEntry, tellPlant } from '../../lambdas/data/live-cache.ts'
import { lambdaContext } from '../helpers/lambda-context.ts'
import { sqsEvent } from '../helpers/sqs.ts'

const api = mockClient(ApiGatewayManagementApiClient)
const redis = createClient({ url: inject('redisUrl') })
let handle: (event: SQSEvent) => Promise<SQSBatchResponse>
let tenant: string
const plantId = uuid()

interface Frame {
  version: number
  part: number
  parts: number
  plant: string
  machines: { slug: string; state: { values: Record<string, unknown> } }[]
  gateways: unknown[]
}

beforeAll(async () => {
  Object.assign(process.env, {
    REDIS_URL: inject('redisUrl'),
    AWS_REGION: 'us-east-1',
    POWERTOOLS_METRICS_NAMESPACE: 'IotTelemetry',
  })
  const { handler } = await import('../../lambdas/fan-out/fan-out.lambda.ts')
  handle = (event) => handler(event, lambdaContext)
  await redis.connect()
})
afterAll(() => redis.destroy())

beforeEach(async () => {
  api.reset()
  tenant = `fan-out-${uuid()}`
  await redis.set(`plant-id:${tenant}:mill`, plantId)
})

const watch = (connectionId: string, expiresInMs = 60_000) =>
  redis.zAdd(`watchers:${tenant}:mill`, { score: Date.now() + expiresInMs, value: connectionId })

async function setState(slug: string, values: Record<string, unknown>): Promise<void> {
  const state = { timestamp: 1, seq: 1, receivedAt: 1, values }
  await redis.hSet(`state:${tenant}:mill`, slug, JSON.stringify({ machineId: uuid(), slug, state, revision: 1 }))
}

/** As ingest does: these machines have changed, and one work item asks for their frame. */
async function tell(...slugs: string[]): Promise<SQSBatchResponse> {
  await redis.sAdd(`changed-machines:${tenant}:mill`, slugs)
  return handle(sqsEvent([JSON.stringify({ tenant, plant: 'mill' })]))
}

const posted = (connectionId: string): Frame[] =>
  api
    .commandCalls(PostToConnectionCommand)
    .map((call) => call.args[0].input)
    .filter((input) => input.ConnectionId === connectionId)
    .map((input) => JSON.parse(input.Data as unknown as string) as Frame)

test('the changes of a plant become one frame, with the newest states, to each watcher', async () => {
  await Promise.all([
    watch('a'),
    watch('b'),
    watch('expired', -1),
    setState('press', { t: 2 }),
    setState('oven', { t: 3 }),
  ])
  expect(await tell('press', 'oven', 'unknown')).toEqual({ batchItemFailures: [] })
  expect(posted('a')).toEqual(posted('b'))
  const [frame, ...more] = posted('a')
  expect(more).toEqual([])
  expect(frame).toMatchObject({ type: 'delta', plant: plantId, version: 1, part: 1, parts: 1, gateways: [] })
  expect(frame!.machines.map((machine) => machine.slug).toSorted()).toEqual(['oven', 'press'])
  expect(frame!.machines[0]).not.toHaveProperty('revision')
  expect(posted('expired')).toEqual([])
  await tell('press')
  expect(posted('a').at(-1)!.version).toBe(2)
})

test('a delta says of a machine only its state, and the rest with it where a consumer tells that, in whatever order they come', async () => {
  const of = { tenant, plant: 'mill' }
  const about = { name: null, status: 'active' as const, thingName: 'gw-1', units: { t: '°C' } }
  const tellOf = (seq: number, told?: typeof about) => {
    const state = { timestamp: seq, seq, receivedAt: seq, values: { t: seq } }
    const entry = cachedEntry('press', { machineId: plantId, slug: 'press', state }, seq, told)
    return tellPlant(redis, of, 'machines', [entry], () => [])
  }
  const posts = async () => {
    await handle(sqsEvent([JSON.stringify(of)]))
    const { machines } = posted('a').at(-1)!
    expect(machines).toHaveLength(1)
    return machines[0]!
  }
  const only = (seq: number) => ({
    ...{ machineId: plantId, slug: 'press' },
    state: { timestamp: seq, seq, receivedAt: seq, values: { t: seq } },
  })
  await tellOf(1, about) // nobody watches: who comes later has it in the snapshot
  await watch('a')
  await tellOf(2)
  expect(await posts()).toEqual(only(2))
  await tellOf(3, about)
  await tellOf(4)
  expect(await posts()).toEqual({ ...only(4), ...about })
  await tellOf(5)
  expect(await posts()).toEqual(only(5))
  await tellOf(4, { ...about, thingName: 'gw-2' }) // committed before 5, told after it
  expect(await posts()).toEqual({ ...only(5), ...about, thingName: 'gw-2' })
})

test('a machine whose state Redis has lost is told with its next reading', async () => {
  await Promise.all([watch('a'), setState('press', { t: 1 })])
  const about = { name: 'Oven', status: 'active', thingName: null, units: {} }
  await redis.hSet(`about:${tenant}:mill`, 'oven', JSON.stringify(about))
  await tell('press', 'oven')
  expect(posted('a')[0]!.machines.map(({ slug }) => slug)).toEqual(['press'])
})

test('what does not fit one frame comes in parts of one version, each at most 32 KB', async () => {
  await watch('a')
  const slugs = Array.from({ length: 40 }, (_, index) => `machine-${index}`)
  await Promise.all(
    slugs.map((slug) =>
      setState(slug, Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f'].map((tag) => [tag, 'ñ'.repeat(250)]))),
    ),
  )
  await tell(...slugs)
  const frames = posted('a')
  expect(frames.length).toBeGreaterThan(1)
  expect(frames.map((frame) => [frame.version, frame.part, frame.parts])).toEqual(
    frames.map((_, index) => [1, index + 1, frames.length]),
  )
  const bytes = frames.map((frame) => Buffer.byteLength(JSON.stringify(frame)))
  expect(Math.max(...bytes)).toBeLessThanOrEqual(32_000)
  expect(frames.flatMap((frame) => frame.machines.map((machine) => machine.slug)).toSorted()).toEqual(slugs.toSorted())
})

test('a gone connection is removed, another failure loses only that frame', async () => {
  await Promise.all([watch('gone'), watch('slow'), watch('well'), setState('press', { t: 1 })])
  await redis.set('connection:gone', '{}')
  const failure = { $metadata: {}, message: 'no' }
  api.on(PostToConnectionCommand, { ConnectionId: 'gone' }).rejects(new GoneException(failure))
  api.on(PostToConnectionCommand, { ConnectionId: 'slow' }).rejects(new LimitExceededException(failure))
  expect(await tell('press')).toEqual({ batchItemFailures: [] })
  expect(posted('well')).toHaveLength(1)
  expect((await redis.zRange(`watchers:${tenant}:mill`, 0, -1)).toSorted()).toEqual(['slow', 'well'])
  expect(await redis.exists('connection:gone')).toBe(0)
})

test('a connection that takes no frame is let be for a while, and finds the gap when frames come again', async () => {
  await Promise.all([watch('slow'), watch('well'), setState('press', { t: 1 })])
  const tired = new LimitExceededException({ $metadata: {}, message: 'no' })
  api.on(PostToConnectionCommand, { ConnectionId: 'slow' }).rejectsOnce(tired).resolves({})
  await tell('press')
  await tell('press')
  expect(posted('slow')).toHaveLength(1)
  await redis.zAdd(`slow:${tenant}:mill`, { score: Date.now() - 1, value: 'slow' })
  await tell('press')
  expect(posted('well').map((frame) => frame.version)).toEqual([1, 2, 3])
  expect(posted('slow').map((frame) => frame.version)).toEqual([1, 3])
})

test('what changes soon after a frame is told with the next one, not before its time', async () => {
  await Promise.all(Array.from({ length: 100 }, (_, n) => watch(`w${n}`)))
  await setState('press', { t: 1 })
  await tell('press')
  const first = Number(await redis.get(`frame-at:${tenant}:mill`))
  await tell('press')
  expect(posted('w0').map((frame) => frame.version)).toEqual([1, 2])
  expect(Number(await redis.get(`frame-at:${tenant}:mill`)) - first).toBeGreaterThanOrEqual(499)
})

test('a second item with nothing left to tell makes no frame', async () => {
  await Promise.all([watch('a'), setState('press', { t: 1 })])
  await tell('press')
  await handle(sqsEvent([JSON.stringify({ tenant, plant: 'mill' })]))
  expect(posted('a')).toHaveLength(1)
})

test('nobody watching: no version, no post', async () => {
  await setState('press', { t: 1 })
  await tell('press')
  expect(api.commandCalls(PostToConnectionCommand)).toHaveLength(0)
  expect(await redis.exists(`live-version:${tenant}:mill`)).toBe(0)
})
