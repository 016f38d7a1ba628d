/**
 * A page that is open while something breaks: it says so, keeps what it shows readable, and comes back by itself with what is
 * true now. The page and its socket go through lines of the test's own; Redis and the functions are the system's.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import type { Browser, Page, Route } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest'
import { remembered } from '../../local/processes.ts'
import { redisPidFile, startRedis } from '../../local/redis.ts'
import type { CreatedGateway, PlantPage, RealtimeTicket } from '../../schemas/api.ts'
import type { InvitedUser } from '../../schemas/people.ts'
import { type ApiClient, signIn } from '../helpers/api-client.ts'
import { launchChromium } from '../helpers/chromium.ts'
import { type Company, createCompany, setPassword } from '../helpers/company.ts'
import { telemetry } from '../helpers/envelopes.ts'
import { signedInPage } from '../helpers/signed-in-page.ts'
import { startTcpProxy, type TcpProxy } from '../helpers/tcp-proxy.ts'

const COMPANY = 'averias'
const MANAGER = { email: 'manager@averias.example', password: 'her-own-password' }
const WAIT = { timeout: 60_000 }

const given = inject('endpoints')
const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
const sqs = new SQSClient({ endpoint: given.sqs.url, region: given.sqs.region, credentials })
const cleanup: (() => unknown)[] = [() => sqs.destroy()]

let company: Company
let api: ApiClient
let browser: Browser
let page: Page
let web: TcpProxy
let realtime: TcpProxy
let plantId: string
let thingName: string
let seq = Date.now()

beforeAll(async () => {
  company = await createCompany(given, COMPANY)
  api = await signIn(company.endpoints, company.adminEmail)
  plantId = ((await api.get('/plants')) as PlantPage).items[0]!.plantId
  thingName = ((await api.post('/gateways', { plantId })) as CreatedGateway).gateway.thingName
  const target = (url: string) => ({ host: new URL(url).hostname, port: Number(new URL(url).port) })
  web = await startTcpProxy(target(given.web.url))
  realtime = await startTcpProxy(target(given.realtime.url))
  cleanup.push(() => Promise.all([web.stop(), realtime.stop()]))
  browser = await launchChromium()
  cleanup.push(() => browser.close())
  await tell(1)
  page = await openPlant(company.adminEmail)
  await shows(page, 1, 'live')
})
afterAll(async () => {
  for (const undo of cleanup.reverse()) await undo()
})

async function tell(temperature: number, machine = 'bomba', timestamp = Date.now()): Promise<void> {
  const place = { tenant: COMPANY, province: 'ba', plant: company.plant, thingName }
  const reading = { seq: (seq += 1), timestamp, values: { temperature } }
  const MessageBody = telemetry(place, machine, reading)
  await sqs.send(new SendMessageCommand({ QueueUrl: given.sqs.queues.telemetry, MessageBody }))
}

/** The plant's page of this person, over the lines. */
async function openPlant(email: string, path = `/plants/${company.plant}`): Promise<Page> {
  const endpoints = { ...company.endpoints, web: { url: `http://127.0.0.1:${web.port}` } }
  // The policy of the page knows the socket's own address, not that of the line.
  const opened = await signedInPage(browser, endpoints, email, { bypassCSP: true })
  await opened.route('**/v1/realtime/ticket', async (route) => {
    const response = await route.fetch().catch(() => undefined)
    if (!response?.ok()) return response ? route.fulfill({ response }) : route.abort()
    const { url, ...ticket } = (await response.json()) as RealtimeTicket
    const { port } = new URL(given.realtime.url)
    return route.fulfill({ response, json: { ...ticket, url: url.replace(`:${port}`, `:${realtime.port}`) } })
  })
  await opened.goto(path)
  return opened
}

type State = 'live' | 'reconnecting'
const seen = async (of: Page) => ({
  state: await of.getByTestId('connection-state').getAttribute('data-state'),
  value: Number.parseFloat((await of.locator('[data-machine="bomba"] [data-tag="temperature"]').textContent()) ?? ''),
})
const shows = (of: Page, value: number, state: State) =>
  vi.waitFor(async () => expect(await seen(of)).toEqual({ state, value }), { ...WAIT, interval: 50 })

it('says so while the line is cut or the server away, and shows what came meanwhile when it is back', async () => {
  for (const lines of [[realtime], [realtime, web]]) {
    const before = (await seen(page)).value
    for (const line of lines) line.cut()
    await shows(page, before, 'reconnecting')
    if (lines.includes(web)) await page.getByRole('alert').first().waitFor(WAIT)
    await tell(before + 1)
    for (const line of lines) line.mend()
    await shows(page, before + 1, 'live')
    await expect.poll(() => page.getByRole('alert').count(), WAIT).toBe(0)
  }
}, 120_000)

it('a computer that slept is live again at once, though its old connections say nothing', async () => {
  const sleeper = await openPlant(company.adminEmail)
  await sleeper.clock.install()
  await sleeper.reload()
  const before = (await seen(page)).value
  await shows(sleeper, before, 'live')
  // Of those of HTTP the browser itself lets go when the computer wakes.
  realtime.strand()
  await tell(before + 1)
  await sleeper.clock.fastForward('10:00')
  await shows(sleeper, before + 1, 'live')
  await sleeper.context().close()
}, 120_000)

it('an answer over HTTP that comes behind the live picture takes nothing from it', async () => {
  const slow = await openPlant(company.adminEmail)
  const { promise: released, resolve: release } = Promise.withResolvers<undefined>()
  const { promise: read, resolve: hasRead } = Promise.withResolvers<undefined>()
  await slow.route('**/v1/plants/*/machines?**', async (route) => {
    const response = await route.fetch()
    hasRead(undefined)
    await released
    await route.fulfill({ response })
  })
  await slow.reload()
  await read
  await slow.locator('[data-testid="connection-state"][data-state="live"]').waitFor(WAIT)
  const value = slow.locator('[data-machine="nueva"] [data-tag="temperature"]')
  await tell(1, 'nueva')
  await value.waitFor(WAIT)
  const answer = slow.waitForResponse('**/v1/plants/*/machines?**')
  release(undefined)
  await (await answer).finished()
  await tell(2, 'nueva')
  await expect.poll(() => value.textContent({ timeout: 1_000 }), { timeout: 10_000 }).toMatch(/^2/)
  await slow.context().close()
})

it('the page of another gateway or machine has nothing of the one before while its own answers are on their way', async () => {
  const { gateway } = (await api.post('/gateways', { plantId })) as CreatedGateway
  // With a connection of its own: the one before may be stranded.
  await page.goto(`/plants/${company.plant}`)
  await tell(7, 'prensa')
  await page.locator('[data-machine="prensa"]').first().waitFor(WAIT)
  const { promise: released, resolve: release } = Promise.withResolvers<undefined>()
  const hold = (route: Route) => released.then(() => route.continue())
  const goBySearch = async (slug: string) => {
    await page.keyboard.press('/')
    await page.getByTestId('search-text').fill(slug)
    await page.locator(`[data-testid="found"][data-slug="${slug}"]`).click(WAIT)
    await page.locator('h1').getByText(slug).waitFor(WAIT)
  }
  // Made since the page has its list of plants.
  await api.post('/plants', { slug: 'recien', province: 'ba', name: 'recien', timeZone: 'UTC' })
  await goBySearch('recien')

  await page.goto(`/gateways/${thingName}`)
  await page.getByTestId('gateway-delete').click(WAIT)
  // A key that opens something does not while a question is open.
  await page.keyboard.press('/')
  expect(await page.getByTestId('search-dialog').count()).toBe(0)
  await page.keyboard.press('Escape')
  await page.route(`**/v1/gateways/${gateway.thingName}`, hold)
  await goBySearch(gateway.thingName)
  expect(await page.getByTestId('gateway-delete').count()).toBe(0)

  await page.goto(`/plants/${company.plant}/machines/bomba`)
  const reading = page.locator('[data-testid="chart-reading"] .value')
  await expect.poll(() => reading.textContent(), WAIT).toMatch(/\d/)
  await page.route('**/v1/machines/*/history?**', hold)
  await goBySearch('prensa')
  expect(await reading.textContent()).not.toMatch(/\d/)
  release(undefined)
  await expect.poll(() => reading.textContent(), WAIT).toBe('7')
  await page.unrouteAll({ behavior: 'wait' })
  await page.goto(`/plants/${company.plant}`)
  // What each letter changes in the address leaves the focus where it is.
  await page.getByTestId('search-machines').pressSequentially('pren')
  await page.waitForURL(/search=pren/, WAIT)
  await page.goto(`/plants/${company.plant}`)
})

it('a machine that falls silent is shown so within a second, without a word from the server', async () => {
  const watched = await openPlant(company.adminEmail)
  await watched.clock.install()
  let told = 0
  watched.on('websocket', (socket) =>
    socket.on('framereceived', ({ payload }) => (told += Number(String(payload).includes('"machines"')))),
  )
  await watched.reload()
  await watched.locator('[data-testid="connection-state"][data-state="live"]').waitFor(WAIT)
  // Nothing is known of how often a new machine is read: it is silent after 30 s.
  const readAt = Date.now()
  await tell(1, 'callada', readAt)
  const tile = watched.locator('[data-testid="machine-tile"][data-machine="callada"]')
  const condition = () => tile.getAttribute('data-condition')
  await tile.waitFor(WAIT)
  // Neither does an answer tell the page what time it is.
  await watched.route('**/v1/**', (route) => route.abort())
  const before = told
  const now = Number(await watched.evaluate('Date.now()')) + 500
  await watched.clock.pauseAt(now)
  await watched.clock.runFor(readAt + 29_900 - now)
  expect(await condition()).toBe('reporting')
  await watched.clock.runFor(1_100)
  expect(await condition()).toBe('stale')
  expect(await tile.textContent()).toMatch(/hace 3[01] s/)
  expect(told).toBe(before)
  await watched.context().close()
}, 120_000)

it.skipIf(process.env.REDIS_URL)(
  'goes on over HTTP while Redis is away, and lives again with an empty one',
  async () => {
    await page.reload()
    const before = (await seen(page)).value
    await shows(page, before, 'live')
    const dataDir = join(inject('cloudDir'), 'redis')
    process.kill(remembered(redisPidFile(dataDir))!, 'SIGKILL')
    await tell(before + 1)
    // The page asks after 30 s of silence, or when it is looked at. As text: this program knows no types of a browser.
    const lookAt = () => page.evaluate(`document.dispatchEvent(new Event('visibilitychange'))`)
    await lookAt()
    await shows(page, before + 1, 'reconnecting')
    rmSync(join(dataDir, 'appendonlydir'), { recursive: true })
    await startRedis({ dataDir, port: Number(new URL(given.redis.url).port) })
    await lookAt()
    await shows(page, before + 1, 'live')
    await tell(before + 2)
    await shows(page, before + 2, 'live')
  },
  180_000,
)

it('takes away what a person may no longer do, without a reload', async () => {
  const invited = (await api.post('/users', {
    email: MANAGER.email,
    role: 'manager',
    plantAccess: 'all',
  })) as InvitedUser
  await setPassword(given, invited.invitation.link, MANAGER.password)
  company.endpoints.users.push({ tenant: COMPANY, role: 'manager', plantAccess: 'all', ...MANAGER })
  const manager = await openPlant(MANAGER.email, '/admin/machines')
  await manager.getByTestId('machine-row').first().waitFor(WAIT)
  await manager.locator('[data-testid="connection-state"][data-state="live"]').waitFor(WAIT)
  await api.request('PATCH', `/users/${invited.user.userId}`, { role: 'viewer' })
  await manager.getByTestId('no-permission-page').waitFor(WAIT)
  expect(await manager.getByRole('link', { name: 'Administración' }).count()).toBe(0)

  await manager.goto(`/plants/${company.plant}`)
  await shows(manager, (await seen(page)).value, 'live')
  const other = { slug: 'otra', province: 'ba', name: 'Otra', timeZone: 'UTC' }
  const { plantId: otherId } = (await api.post('/plants', other)) as { plantId: string }
  await api.request('PATCH', `/users/${invited.user.userId}`, { plantAccess: [otherId] })
  await manager.getByTestId('plant-refused').waitFor(WAIT)

  // Also what is taken between the page's first question and its first connection.
  await api.request('PATCH', `/users/${invited.user.userId}`, { role: 'manager', plantAccess: 'all' })
  const { promise: released, resolve: release } = Promise.withResolvers<undefined>()
  const { promise: asked, resolve: hasAsked } = Promise.withResolvers<undefined>()
  await manager.route('**/v1/realtime/ticket', async (route) => {
    hasAsked(undefined)
    await released
    await route.fallback()
  })
  await manager.goto('/admin/machines')
  await Promise.all([asked, manager.getByTestId('machine-row').first().waitFor(WAIT)])
  await api.request('PATCH', `/users/${invited.user.userId}`, { role: 'viewer' })
  release(undefined)
  // Before the page's own next question, after 30 s.
  await manager.getByTestId('no-permission-page').waitFor({ timeout: 15_000 })
}, 120_000)
