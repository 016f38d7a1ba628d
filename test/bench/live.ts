/**
 * The live path under many browsers: 2,000 sockets on 20 plants with 200 messages/s, and the delay from the queue to the
 * pixel with 50 sockets on the plant. Sockets, APIs and functions all run on this machine, in this process and its threads.
 */
import { createHash, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { GetQueueAttributesCommand, SendMessageBatchCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import pg from 'pg'
import { WebSocket } from 'ws'
import { saveTicket, type TicketHolder } from '../../lambdas/data/live-connections.ts'
import { openRedis, type Redis } from '../../lambdas/runtime/redis.ts'
import { runBounded } from '../../lambdas/runtime/run-bounded.ts'
import { type LocalCloud, startLocalCloud } from '../../local/cloud.ts'
import type { CreatedGateway, Plant } from '../../schemas/api.ts'
import type { LiveServerMessage } from '../../schemas/live.ts'
import { signIn } from '../helpers/api-client.ts'
import { launchChromium } from '../helpers/chromium.ts'
import { telemetry } from '../helpers/envelopes.ts'
import { type Figure, percentile } from './figure.ts'
import { shownAt } from './shown-at.ts'

const PLANTS = 20
const SOCKETS = 2_000
const MACHINES_PER_PLANT = 10
const TAGS = 5
const MESSAGES_PER_SECOND = 200
const SECONDS = 30
const SOCKETS_BESIDE_THE_PAGE = 49
const CHANGES = 60

interface WatchedPlant {
  plantId: string
  tenant: string
  province: string
  plant: string
  thingName: string
}

export async function benchLive(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-live-'))
  const cloud = await startLocalCloud({ rootDir: join(folder, 'local'), demo: false, anyPorts: true })
  const { region, url } = cloud.endpoints.sqs
  const sqs = new SQSClient({ endpoint: url, region, credentials: { accessKeyId: 'local', secretAccessKey: 'local' } })
  const redis = openRedis({ REDIS_URL: cloud.endpoints.redis.url })
  try {
    const plants = await createPlants(cloud)
    const holder = await readHolder(cloud)
    const openSocket = (plant: WatchedPlant) => openLiveSocket(cloud, redis, holder, plant)
    return [...(await benchMany(cloud, sqs, plants, openSocket)), await benchPixel(cloud, sqs, plants[0]!, openSocket)]
  } finally {
    redis.close()
    sqs.destroy()
    await cloud.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

type OpenSocket = (plant: WatchedPlant) => Promise<Socket>

async function benchMany(
  cloud: LocalCloud,
  sqs: SQSClient,
  plants: WatchedPlant[],
  openSocket: OpenSocket,
): Promise<Figure[]> {
  const sockets: Socket[] = []
  const places = Array.from({ length: SOCKETS }, (_, index) => plants[index % PLANTS]!)
  await runBounded(places, 20, async (plant) => void sockets.push(await openSocket(plant)))
  for (const socket of sockets) Object.assign(socket.heard, { frames: 0, bytes: 0, values: 0 })
  const startedAt = performance.now()
  let sent = 0
  for (let tick = 0; tick < SECONDS * (MESSAGES_PER_SECOND / 10); tick += 1) {
    const Entries = Array.from({ length: 10 }, () => {
      const plant = plants[sent % PLANTS]!
      const machine = Math.floor(sent / PLANTS) % MACHINES_PER_PLANT
      sent += 1
      const values = Object.fromEntries(Array.from({ length: TAGS }, (_, tag) => [`tag-${tag}`, sent + tag / 10]))
      const MessageBody = telemetry(plant, `machine-${machine}`, { seq: sent, timestamp: Date.now(), values })
      return { Id: randomUUID(), MessageBody }
    })
    await sqs.send(new SendMessageBatchCommand({ QueueUrl: cloud.endpoints.sqs.queues.telemetry, Entries }))
    await wait(Math.max(0, startedAt + (sent / MESSAGES_PER_SECOND) * 1000 - performance.now()))
  }
  const seconds = (performance.now() - startedAt) / 1000
  const sum = (of: keyof Socket['heard']) => sockets.reduce((total, { heard }) => total + heard[of], 0)
  const framesPerSecond = sum('frames') / SOCKETS / seconds
  const bytesPerValue = sum('bytes') / sum('values')
  const most = Math.max(...sockets.map(({ heard }) => heard.frames)) / seconds
  for (const socket of sockets) socket.close()
  await isEmpty(sqs, cloud.endpoints.sqs.queues.telemetry)
  const load = `${SOCKETS} sockets on ${PLANTS} plants, ${(sent / seconds).toFixed(0)} messages/s of ${TAGS} values`
  return [
    {
      what: `${load}: frames per connection and second`,
      measured: `${framesPerSecond.toFixed(2)}, at most ${most.toFixed(2)}`,
      toReach: 'at most 2',
      reached: most <= 2,
    },
    {
      what: 'bytes per changed value, as sent',
      measured: `${bytesPerValue.toFixed(0)} B`,
      toReach: 'at most 60 B',
      reached: bytesPerValue <= 60,
    },
  ]
}

/** What has piled up belongs to this figure, and is not to delay the next one. */
async function isEmpty(sqs: SQSClient, QueueUrl: string): Promise<void> {
  const AttributeNames = ['ApproximateNumberOfMessages' as const]
  for (;;) {
    const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames }))
    if (Attributes!.ApproximateNumberOfMessages === '0') return
    await wait(500)
  }
}

async function benchPixel(
  cloud: LocalCloud,
  sqs: SQSClient,
  plant: WatchedPlant,
  openSocket: OpenSocket,
): Promise<Figure> {
  const sockets = await Promise.all(Array.from({ length: SOCKETS_BESIDE_THE_PAGE }, () => openSocket(plant)))
  const browser = await launchChromium()
  try {
    const page = await (await browser.newContext()).newPage()
    const user = adminOf(cloud)
    await page.goto(cloud.endpoints.web.url)
    await page.getByTestId('email').fill(user.email)
    await page.getByTestId('password').fill(user.password)
    await page.getByTestId('sign-in').click()
    await page.locator(`[data-plant="${plant.plant}"]`).click()
    let seq = Date.now()
    const send = (count: number) => {
      const MessageBody = telemetry(plant, 'probe', { seq: (seq += 1), timestamp: Date.now(), values: { count } })
      return sqs.send(new SendMessageCommand({ QueueUrl: cloud.endpoints.sqs.queues.telemetry, MessageBody }))
    }
    await send(0)
    await page.locator('[data-machine="probe"] [data-tag="count"]').waitFor({ timeout: 60_000 })
    const delays: number[] = []
    for (let value = 1; value <= CHANGES; value += 1) {
      const seen = shownAt(page, value)
      const sentAt = Date.now()
      await send(value)
      delays.push((await seen) - sentAt)
      await wait(137)
    }
    return {
      what: 'change in the queue to pixel, 50 sockets on the plant, profile live',
      measured: `p95 ${percentile(delays, 95).toFixed(0)} ms, median ${percentile(delays, 50).toFixed(0)} ms of ${CHANGES} changes`,
      toReach: 'p95 at most 500 ms',
      reached: percentile(delays, 95) <= 500,
    }
  } finally {
    await browser.close()
    for (const socket of sockets) socket.close()
  }
}

const adminOf = ({ endpoints }: LocalCloud) =>
  endpoints.users.find(({ tenant, role }) => tenant === 'granix' && role === 'admin')!

async function createPlants(cloud: LocalCloud): Promise<WatchedPlant[]> {
  const api = await signIn(cloud.endpoints, adminOf(cloud).email)
  const plants: WatchedPlant[] = []
  for (let number = 1; number <= PLANTS; number += 1) {
    const slug = `bench-${number}`
    const created = await api.post('/plants', { slug, province: 'ba', name: `Bench ${number}`, timeZone: 'UTC' })
    const { plantId } = created as Plant
    const { gateway } = (await api.post('/gateways', { plantId })) as CreatedGateway
    plants.push({ plantId, tenant: 'granix', province: 'ba', plant: slug, thingName: gateway.thingName })
  }
  return plants
}

/** Whoever a ticket is for: tickets are put into Redis here, because the API gives one person 60 a second at most. */
async function readHolder(cloud: LocalCloud): Promise<TicketHolder> {
  const database = new pg.Client({ connectionString: cloud.endpoints.postgres.url })
  await database.connect()
  const { rows } = await database.query<Omit<TicketHolder, 'authTime'>>(
    `select u.id as "userId", u.firebase_uid as "firebaseUid", t.id as "tenantId", t.slug as tenant
     from users u join tenants t on t.id = u.tenant_id where u.email = $1`,
    [adminOf(cloud).email],
  )
  await database.end()
  return { ...rows[0]!, authTime: Math.floor(Date.now() / 1000) }
}

interface Socket {
  /** Deltas, their bytes, and the values in them. */
  heard: { frames: number; bytes: number; values: number }
  close(): void
}

/** Resolves when the plant's snapshot is there. */
async function openLiveSocket(
  cloud: LocalCloud,
  redis: Redis,
  holder: TicketHolder,
  { plantId }: WatchedPlant,
): Promise<Socket> {
  const ticket = randomUUID()
  const ticketSha256 = createHash('sha256').update(ticket).digest('hex')
  await redis.use((client) => saveTicket(client, ticketSha256, holder, Date.now() + 30_000))
  const socket = new WebSocket(`${cloud.endpoints.realtime.url}/live?ticket=${ticket}`)
  const heard = { frames: 0, bytes: 0, values: 0 }
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.once('open', () => socket.send(JSON.stringify({ type: 'subscribe', plant: plantId })))
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as LiveServerMessage
      if (message.type === 'snapshot') resolve()
      if (message.type === 'error') reject(new Error(message.code))
      if (message.type !== 'delta') return
      heard.frames += 1
      heard.bytes += data.length
      for (const { state } of message.machines) heard.values += Object.keys(state?.values ?? {}).length
    })
  })
  return { heard, close: () => socket.terminate() }
}
