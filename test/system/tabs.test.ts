import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest'
import type { GatewayPage, PlantPage } from '../../schemas/api.ts'
import { signIn } from '../helpers/api-client.ts'
import { launchChromium } from '../helpers/chromium.ts'
import { telemetry } from '../helpers/envelopes.ts'

const endpoints = inject('endpoints')
const user = endpoints.users.find(({ tenant, role }) => tenant === 'norpan' && role === 'admin')!
const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
const sqs = new SQSClient({ endpoint: endpoints.sqs.url, region: endpoints.sqs.region, credentials })

let browser: Browser
let plant: { tenant: string; province: string; plant: string; thingName: string }
let seq = Date.now()

beforeAll(async () => {
  browser = await launchChromium()
  const api = await signIn(endpoints, user.email)
  const [{ plantId, slug, province }] = ((await api.get('/plants')) as PlantPage).items as [PlantPage['items'][number]]
  const { gateway } = (await api.post('/gateways', { plantId })) as { gateway: GatewayPage['items'][number] }
  plant = { tenant: user.tenant, province, plant: slug, thingName: gateway.thingName }
})
afterAll(async () => {
  await browser.close()
  sqs.destroy()
})

async function send(temperature: number): Promise<void> {
  const MessageBody = telemetry(plant, 'tabs', { seq: (seq += 1), values: { temperature } })
  await sqs.send(new SendMessageCommand({ QueueUrl: endpoints.sqs.queues.telemetry, MessageBody }))
}

const shows = (page: Page, value: string) =>
  vi.waitFor(async () => expect(await page.locator('[data-machine="tabs"]').textContent()).toContain(value), 20_000)

it('two tabs of a person share one WebSocket, and the second goes on when the first is closed', async () => {
  const context = await browser.newContext({ locale: 'en-US' })
  const opened: string[] = []
  context.on('page', (page) => page.on('websocket', (socket) => opened.push(socket.url())))
  const first = await context.newPage()
  await first.goto(endpoints.web.url)
  await first.getByTestId('email').fill(user.email)
  await first.getByTestId('password').fill(user.password)
  await first.getByTestId('sign-in').click()
  await first.locator(`[data-plant="${plant.plant}"]`).click()
  await send(40.5)
  await shows(first, '40.5')

  const second = await context.newPage()
  await second.goto(first.url())
  await shows(second, '40.5')
  await send(41.5)
  await Promise.all([shows(first, '41.5'), shows(second, '41.5')])
  expect(opened).toHaveLength(1)

  await first.close()
  await vi.waitFor(() => expect(opened).toHaveLength(2), 10_000)
  await send(42.5)
  await shows(second, '42.5')
  await context.close()
})
