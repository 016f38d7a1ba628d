import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest'
import type { CreatedGateway, PlantPage } from '../../schemas/api.ts'
import { type ApiClient, signIn } from '../helpers/api-client.ts'
import { telemetry } from '../helpers/envelopes.ts'
import { type LiveClient, openLiveSocket } from '../helpers/live-client.ts'

const endpoints = inject('endpoints')
const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
const sqs = new SQSClient({ endpoint: endpoints.sqs.url, region: endpoints.sqs.region, credentials })
const adminOf = (company: string) =>
  endpoints.users.find(({ tenant, role }) => tenant === company && role === 'admin')!.email

let api: ApiClient
let plant: { plantId: string; tenant: string; province: string; plant: string; thingName: string }
let watcher: LiveClient
let seq = Date.now()

beforeAll(async () => {
  api = await signIn(endpoints, adminOf('norpan'))
  const { plantId, slug, province } = ((await api.get('/plants')) as PlantPage).items[0]!
  const { gateway } = (await api.post('/gateways', { plantId })) as CreatedGateway
  plant = { plantId, tenant: 'norpan', province, plant: slug, thingName: gateway.thingName }
  watcher = await openLiveSocket(api)
  watcher.send({ type: 'subscribe', plant: plantId })
  await vi.waitFor(() => expect(watcher.messages.some(({ type }) => type === 'snapshot')).toBe(true), 10_000)
})
afterAll(() => {
  watcher.stop()
  sqs.destroy()
})

/** Others are not disturbed: a reading still reaches who watches. */
async function watcherStillHears(): Promise<void> {
  const timestamp = Date.now()
  const MessageBody = telemetry(plant, 'live-bad-input', { seq: (seq += 1), timestamp })
  await sqs.send(new SendMessageCommand({ QueueUrl: endpoints.sqs.queues.telemetry, MessageBody }))
  const heard = () =>
    watcher.messages.flatMap((message) =>
      message.type === 'delta' ? message.machines.map((machine) => machine.state?.timestamp) : [],
    )
  await vi.waitFor(() => expect(heard()).toContain(timestamp), 15_000)
}

it('answers what it does not understand, or does not show, with an error and stays open', async () => {
  const socket = await openLiveSocket(api)
  const others = (await (await signIn(endpoints, adminOf('granix'))).get('/plants')) as PlantPage
  const foreign = others.items[0]!.plantId
  socket.sendText('no JSON')
  socket.send({ type: 'shout' })
  socket.send({ type: 'subscribe', plant: foreign })
  socket.send({ type: 'ping' })
  await vi.waitFor(() => expect(socket.messages).toHaveLength(4), 10_000)
  expect(socket.messages).toEqual(
    expect.arrayContaining([
      { type: 'error', code: 'invalid_message' },
      { type: 'error', code: 'not_found', plant: foreign },
      { type: 'pong', versions: {} },
    ]),
  )
  socket.stop()
  await watcherStillHears()
})

it('closes a connection whose message is longer than a frame may be, as API Gateway does', async () => {
  const socket = await openLiveSocket(api)
  socket.sendText('x'.repeat(1024 * 1024))
  expect(await socket.closed).toBe(1009)
  await watcherStillHears()
})

it('says so and closes a connection that sends a thousand subscribes at once', async () => {
  const socket = await openLiveSocket(api)
  for (let count = 0; count < 1000; count += 1) socket.send({ type: 'subscribe', plant: plant.plantId })
  expect(await socket.closed).toBe(1001)
  expect(socket.messages).toContainEqual({ type: 'error', code: 'too_many_messages' })
  await watcherStillHears()
})
