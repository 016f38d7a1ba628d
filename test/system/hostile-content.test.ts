/** What machines and people write is shown as it is, in its place, and breaks nothing: on the page of a plant and of a machine. */
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest'
import type { CreatedGateway, MachinePage, PlantPage } from '../../schemas/api.ts'
import type { Scalar } from '../../schemas/telemetry.ts'
import { type ApiClient, signIn } from '../helpers/api-client.ts'
import { launchChromium } from '../helpers/chromium.ts'
import { type Company, createCompany } from '../helpers/company.ts'
import { telemetry } from '../helpers/envelopes.ts'
import { signedInPage } from '../helpers/signed-in-page.ts'

const COMPANY = 'rarezas'
const MANY_TAGS = 10_000
const TAGS_PER_MESSAGE = 250
const WAIT = { timeout: 60_000 }
const SCRIPT = '<img src=x onerror=document.title="run">'
/** Names of machines, by slug. */
const NAMES: Record<string, string> = {
  html: SCRIPT,
  chinese: '三号离心泵 · 冷却水',
  // Right to left, and an override that is never ended.
  rtl: 'مضخة رقم ٣ \u202eoperador',
  long: 'Ñ'.repeat(120),
}
const VALUES: Record<string, Scalar> = {
  greatest: 1e308,
  least: -1e308,
  zero: -0,
  tiny: 5e-324,
  text: `<b>${'x'.repeat(249)}</b>`,
  rtl: '\u202eabc',
  markup: SCRIPT,
  ['a'.repeat(64)]: 1,
}

const given = inject('endpoints')
const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
const sqs = new SQSClient({ endpoint: given.sqs.url, region: given.sqs.region, credentials })
let company: Company
let api: ApiClient
let browser: Browser
let thingName: string
let seq = Date.now()

beforeAll(async () => {
  company = await createCompany(given, COMPANY)
  api = await signIn(company.endpoints, company.adminEmail)
  const { plantId } = ((await api.get('/plants')) as PlantPage).items[0]!
  thingName = ((await api.post('/gateways', { plantId })) as CreatedGateway).gateway.thingName
  for (const slug of Object.keys(NAMES)) await tell(slug, VALUES)
  for (let first = 0; first < MANY_TAGS; first += TAGS_PER_MESSAGE) {
    const tags = Array.from({ length: TAGS_PER_MESSAGE }, (_, n): [string, Scalar] => [`tag-${first + n}`, first + n])
    await tell('many', Object.fromEntries(tags))
  }
  await vi.waitFor(
    async () => {
      const { items } = (await api.get(`/plants/${plantId}/machines`)) as MachinePage
      const tags = (slug: string) => Object.keys(items.find((each) => each.slug === slug)?.state?.values ?? {}).length
      expect([...Object.keys(NAMES), 'many'].map(tags)).toEqual([...Object.keys(NAMES).map(() => 8), MANY_TAGS])
      for (const { machineId, slug } of items)
        if (NAMES[slug]) await api.request('PATCH', `/machines/${machineId}`, { name: NAMES[slug] })
    },
    { ...WAIT, interval: 500 },
  )
  browser = await launchChromium()
}, 120_000)
afterAll(async () => {
  await browser.close()
  sqs.destroy()
})

async function tell(machine: string, values: Record<string, Scalar>): Promise<void> {
  const place = { tenant: COMPANY, province: 'ba', plant: company.plant, thingName }
  const reading = { seq: (seq += 1), timestamp: Date.now() - 100_000 + (seq % 100_000), values }
  // JSON.stringify would make 0 of it.
  const payload = JSON.stringify({ schemaVersion: 1, ...reading }).replace('"zero":0', '"zero":-0')
  const MessageBody = telemetry(place, machine, reading, { payload })
  await sqs.send(new SendMessageCommand({ QueueUrl: given.sqs.queues.telemetry, MessageBody }))
}

/** Nothing is wider than a telephone, and nothing of what was written has run. */
async function expectUnharmed(page: Page): Promise<void> {
  const { wider, title, images } = await page.evaluate<{ wider: number; title: string; images: number }>(`({
    wider: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    title: document.title,
    images: document.querySelectorAll('img').length,
  })`)
  expect([wider, images]).toEqual([0, 0])
  expect(title).not.toBe('run')
}

it('shows names and values as they are, isolated from what stands around them, on the narrowest screen', async () => {
  const page = await signedInPage(browser, company.endpoints, company.adminEmail, {
    viewport: { width: 390, height: 844 },
    bypassCSP: true,
  })
  const wrong: string[] = []
  page.on('pageerror', (error) => wrong.push(error.message))
  page.on('console', (message) => message.type() === 'error' && wrong.push(message.text()))
  for (const [slug, name] of Object.entries(NAMES)) {
    await page.goto(`/plants/${company.plant}/machines/${slug}`)
    const heading = page.locator('h1 bdi')
    await expect.poll(() => heading.textContent(), WAIT).toBe(name)
    expect(await page.evaluate(`getComputedStyle(document.querySelector('h1 bdi')).unicodeBidi`)).toBe('isolate')
    await expectUnharmed(page)
  }
  const shown = async (tag: string) =>
    (await page.locator(`[data-testid="tag-value"][data-tag="${tag}"]`).textContent())!
  expect(await shown('greatest')).toContain('1,000E308')
  expect(await shown('least')).toContain('-1,000E308')
  expect(await shown('zero')).not.toContain('-')
  expect(await shown('text')).toContain(String(VALUES['text']))
  expect(await shown('markup')).toContain(SCRIPT)

  // Lines of the greatest and least numbers that there are, beside one that is zero.
  await page.goto(`/plants/${company.plant}/machines/html?tags=greatest,least,zero,tiny,text`)
  await expect.poll(() => page.getByTestId('chart').getAttribute('data-points'), WAIT).toBe('1,1,1,1')
  await expectUnharmed(page)
  for (const path of ['', '?view=table']) {
    await page.goto(`/plants/${company.plant}${path}`)
    await page.locator('[data-machine="html"]').first().waitFor(WAIT)
    await expectUnharmed(page)
  }
  expect(wrong).toEqual([])
  await page.context().close()
}, 120_000)

it('a machine of 10,000 tags is searched in, and only what is seen is drawn', async () => {
  const page = await signedInPage(browser, company.endpoints, company.adminEmail)
  await page.goto(`/plants/${company.plant}/machines/many`)
  await page.getByRole('searchbox').fill(`tag-${MANY_TAGS - 1}`)
  const row = page.locator(`[data-testid="tag-value"][data-tag="tag-${MANY_TAGS - 1}"]`)
  await expect.poll(() => row.textContent(), WAIT).toContain('9.999')
  await page.getByRole('searchbox').fill('')
  await page.locator('[data-testid="tag-value"][data-tag="tag-0"]').waitFor(WAIT)
  expect(await page.getByTestId('tag-value').count()).toBeLessThan(100)
  await page.context().close()
}, 60_000)
