import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest'
import type { GatewayPage, PlantPage } from '../../schemas/api.ts'
import { signIn } from '../helpers/api-client.ts'
import { launchChromium } from '../helpers/chromium.ts'
import { telemetry } from '../helpers/envelopes.ts'

const endpoints = inject('endpoints')
const user = endpoints.users.find(({ tenant, role }) => tenant === 'norpan' && role === 'admin')!
const stranger = endpoints.users.find(({ tenant, role }) => tenant === 'granix' && role === 'admin')!
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

async function signInTo(page: Page, { email, password }: typeof user): Promise<void> {
  await page.getByTestId('email').fill(email)
  await page.getByTestId('password').fill(password)
  await page.getByTestId('sign-in').click()
}

/** A reading with this temperature each second, as a machine sends them, until the pages show it. */
async function shows(temperature: number, ...pages: Page[]): Promise<void> {
  const isShown = async (page: Page) =>
    (
      (await page
        .locator('[data-machine="tabs"]')
        .textContent({ timeout: 1_000 })
        .catch(() => '')) ?? ''
    ).includes(String(temperature))
  await vi.waitFor(
    async () => {
      const MessageBody = telemetry(plant, 'tabs', { seq: (seq += 1), timestamp: Date.now(), values: { temperature } })
      await sqs.send(new SendMessageCommand({ QueueUrl: endpoints.sqs.queues.telemetry, MessageBody }))
      await expect
        .poll(async () => (await Promise.all(pages.map(isShown))).every(Boolean), { timeout: 1_000 })
        .toBe(true)
    },
    { timeout: 30_000, interval: 1 },
  )
}

it('two tabs of a person share one WebSocket, and the second goes on when the first is closed', async () => {
  const context = await browser.newContext({ locale: 'en-US' })
  const opened: string[] = []
  context.on('page', (page) => page.on('websocket', (socket) => opened.push(socket.url())))
  const first = await context.newPage()
  await first.goto(endpoints.web.url)
  await signInTo(first, user)
  await first.locator(`[data-plant="${plant.plant}"]`).click()
  await shows(40.5, first)

  const second = await context.newPage()
  await second.goto(first.url())
  await shows(40.5, second)
  await shows(41.5, first, second)
  expect(opened).toHaveLength(1)

  await first.close()
  await vi.waitFor(() => expect(opened).toHaveLength(2), 10_000)
  await shows(42.5, second)

  // Whoever signs in after them in another tab is who all tabs are of.
  const third = await context.newPage()
  await third.goto(endpoints.web.url)
  await third.getByTestId('profile-menu').click()
  await third.getByTestId('sign-out').click()
  await signInTo(third, stranger)
  await third.getByTestId('plant').first().waitFor({ timeout: 30_000 })
  await expect.poll(() => second.locator('.tenant').textContent(), { timeout: 30_000 }).toBe('Granix')
  await context.close()
})
