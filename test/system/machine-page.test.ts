/**
 * A machine's page in Chromium: what its chart shows of two days with a spike, a gap and bad values in them, and names, values and
 * tags that nobody would write, which are shown as they are and break nothing.
 */
import { readFileSync } from 'node:fs'
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import pg from 'pg'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest'
import type { CreatedGateway, MachinePage, PlantPage } from '../../schemas/api.ts'
import type { Scalar } from '../../schemas/telemetry.ts'
import { signIn } from '../helpers/api-client.ts'
import { launchChromium } from '../helpers/chromium.ts'
import { type Company, createCompany } from '../helpers/company.ts'
import { telemetry } from '../helpers/envelopes.ts'
import { rollUp } from '../helpers/roll-up.ts'
import { signedInPage } from '../helpers/signed-in-page.ts'

const COMPANY = 'rarezas'
const WAIT = { timeout: 30_000 }
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const EVERY_MS = 30_000
/** A chart of a day has a point for each two minutes. */
const POINT_MS = 2 * MINUTE_MS
const now = Math.floor(Date.now() / POINT_MS) * POINT_MS
const ago = (hours: number) => now - hours * HOUR_MS
const DAY = { from: ago(24), to: now }
const SPIKE_AT = ago(3) + POINT_MS / 2
const GAP = { from: ago(10), to: ago(8) }
const BAD = { from: ago(6), to: ago(5) }
const NOT_YET = { from: now - 7 * MINUTE_MS, to: now - 3 * MINUTE_MS }

const MANY_TAGS = 10_000
const TAGS_PER_MESSAGE = 250
const SCRIPT = '<img src=x onerror=document.title="run">'
/** Of machines, by slug. */
const NAMES: Record<string, string> = {
  html: SCRIPT,
  chinese: '三号离心泵 · 冷却水',
  // Right to left, and an override that is never ended.
  rtl: 'مضخة رقم ٣ \u202eoperador',
  long: 'Ñ'.repeat(120),
}
const VALUES: Record<string, Scalar> = {
  ...{ greatest: 1e308, least: -1e308, zero: -0, tiny: 5e-324, rtl: '\u202eabc', markup: SCRIPT },
  text: `<b>${'x'.repeat(249)}</b>`,
  ['a'.repeat(64)]: 1,
}

const given = inject('endpoints')
const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
const sqs = new SQSClient({ endpoint: given.sqs.url, region: given.sqs.region, credentials })
let company: Company
let browser: Browser
let page: Page
let place: { tenant: string; province: string; plant: string; thingName: string }
let seq = now

beforeAll(async () => {
  company = await createCompany(given, COMPANY)
  const api = await signIn(company.endpoints, company.adminEmail)
  const { plantId } = ((await api.get('/plants')) as PlantPage).items[0]!
  const { gateway } = (await api.post('/gateways', { plantId })) as CreatedGateway
  place = { tenant: COMPANY, province: 'ba', plant: company.plant, thingName: gateway.thingName }
  const sent = [tell('horno', { temperature: 21 }), ...Object.keys(NAMES).map((slug) => tell(slug, VALUES))]
  for (let first = 0; first < MANY_TAGS; first += TAGS_PER_MESSAGE) {
    const tags = Array.from({ length: TAGS_PER_MESSAGE }, (_, n): [string, Scalar] => [`tag-${first + n}`, first + n])
    sent.push(tell('many', Object.fromEntries(tags)))
  }
  await Promise.all([...sent, launchChromium().then((launched) => (browser = launched))])
  const expected = { horno: 1, many: MANY_TAGS, ...Object.fromEntries(Object.keys(NAMES).map((slug) => [slug, 8])) }
  const machines = await vi.waitFor(
    async () => {
      const { items } = (await api.get(`/plants/${plantId}/machines`)) as MachinePage
      const tags = items.map(({ slug, state }) => [slug, Object.keys(state?.values ?? {}).length])
      expect(Object.fromEntries(tags)).toEqual(expected)
      return items
    },
    { ...WAIT, interval: 300 },
  )
  for (const { machineId, slug } of machines)
    if (NAMES[slug]) await api.request('PATCH', `/machines/${machineId}`, { name: NAMES[slug] })
  await writeTwoDays(machines.find(({ slug }) => slug === 'horno')!.machineId)
  page = await signedInPage(browser, company.endpoints, company.adminEmail, { viewport: { width: 1440, height: 900 } })
})
afterAll(async () => {
  await browser.close()
  sqs.destroy()
})

async function tell(machine: string, values: Record<string, Scalar>, timestamp = Date.now()): Promise<void> {
  const reading = { seq: (seq += 1), timestamp, values }
  // JSON.stringify would make 0 of it.
  const payload = JSON.stringify({ schemaVersion: 1, ...reading }).replace('"zero":0', '"zero":-0')
  const MessageBody = telemetry(place, machine, reading, { payload })
  await sqs.send(new SendMessageCommand({ QueueUrl: given.sqs.queues.telemetry, MessageBody }))
}

/** 20 °C, and 15 °C the day before. */
async function writeTwoDays(machineId: string): Promise<void> {
  const database = new pg.Client({ connectionString: given.postgres.url })
  await database.connect()
  await database.query(
    `with machine as (select tenant_id, id from machines where id = $1),
     queued as (insert into rollup_queue (tenant_id, machine_id, hour)
       select tenant_id, id, h from machine, generate_series($2::int4, $3::int4) h)
     insert into telemetry_events (tenant_id, machine_id, ts, seq, received_at, values, quality)
     select tenant_id, id, t, t, t + 180,
       jsonb_build_object('temperature', case when t = $6 then 99 when t < $7 then 15 else 20 end),
       case when t >= $10 and t < $11 then '{"temperature": "bad"}'::jsonb end
     from machine, generate_series($4::int8, $5::int8, ${EVERY_MS}) t
     where not (t >= $8 and t < $9) and not (t > $12 and t < $13)`,
    [
      ...[machineId, Math.floor(ago(48) / HOUR_MS), Math.floor(now / HOUR_MS), ago(48), now - EVERY_MS],
      ...[SPIKE_AT, DAY.from, GAP.from, GAP.to, BAD.from, BAD.to, NOT_YET.from, NOT_YET.to],
    ],
  )
  await database.end()
  await rollUp(given, inject('cloudDir'))
}

const reading = (of = page) => of.getByTestId('chart-reading').first().textContent()
const pathOf = (machine: string) => `/plants/${company.plant}/machines/${machine}`
/** What the chart says when it is looked at there. */
async function readingAt(at: number, { from, to }: { from: number; to: number }): Promise<string | null> {
  const { x, y, width, height } = (await page.locator('.u-over').first().boundingBox())!
  await page.mouse.move(x + (width * (at - from)) / (to - from), y + height / 2)
  return reading()
}

/** How many pixels have the colour of the line, between two times and two shares of the height. As text: no types of a browser are known here. */
const drawnIn = ({ from, to }: { from: number; to: number }, top = 0, bottom = 1) => {
  const [left, right] = [from, to].map((at) => (at - DAY.from) / (DAY.to - DAY.from))
  return page.evaluate<number>(`(() => {
    const canvas = document.querySelector('.uplot canvas')
    const over = document.querySelector('.u-over')
    const ratio = canvas.width / canvas.clientWidth
    const x = (share) => (over.offsetLeft + over.offsetWidth * share) * ratio
    const y = (share) => (over.offsetTop + over.offsetHeight * share) * ratio
    const { data } = canvas.getContext('2d')
      .getImageData(x(${left}), y(${top}), x(${right}) - x(${left}), y(${bottom}) - y(${top}))
    let drawn = 0
    for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 60 && data[at + 2] - data[at] > 60) drawn += 1
    return drawn
  })()`)
}

it('a day shows its spike of one sample, its gap as a gap, and hatches what could not be read', async ({ expect }) => {
  await page.goto(`${pathOf('horno')}?tags=temperature&from=${DAY.from}&to=${DAY.to}`)
  const points = () => page.getByTestId('chart').getAttribute('data-points', WAIT)
  await expect.poll(async () => Number(await points()), WAIT).toBeGreaterThan(500)
  // A mouse stands on whole pixels, of a minute and a half each.
  const aroundSpike = async () => {
    const readings: (string | null)[] = []
    for (const off of [-MINUTE_MS, 0, MINUTE_MS]) readings.push(await readingAt(SPIKE_AT + off, DAY))
    return readings.join()
  }
  await expect.poll(aroundSpike, WAIT).toContain('20 … 99')
  await expect.poll(() => readingAt((GAP.from + GAP.to) / 2, DAY), WAIT).toContain('sin datos')
  await expect.poll(() => readingAt((BAD.from + BAD.to) / 2, DAY), WAIT).toContain('mala calidad')
  const inside = (span: { from: number; to: number }) => ({
    from: span.from + 3 * POINT_MS,
    to: span.to - 3 * POINT_MS,
  })
  // From 91 down to 78: far from the 40 that the four samples of its point have in the mean.
  expect(await drawnIn({ from: SPIKE_AT - 3 * POINT_MS, to: SPIKE_AT + 3 * POINT_MS }, 0.15, 0.3)).toBeGreaterThan(20)
  expect(await drawnIn(inside(GAP))).toBe(0)
  expect(await drawnIn(inside(BAD), 0, 0.5)).toBeGreaterThan(200)

  await page.getByTestId('compare').check()
  await page.waitForURL(/compare=1/)
  await expect.poll(() => readingAt(ago(1), DAY), WAIT).toMatch(/20.*ayer.*15/)
  const downloading = page.waitForEvent('download')
  await page.getByTestId('png').click()
  const png = readFileSync(await (await downloading).path())
  expect(png.subarray(1, 4).toString()).toBe('PNG')
  expect(png.readUInt32BE(16)).toBeGreaterThan(800)
})

it('a machine of 10,000 tags is searched in, and only what is seen is drawn', async () => {
  await page.goto(pathOf('many'))
  await page.getByRole('searchbox').fill(`tag-${MANY_TAGS - 1}`)
  const last = page.locator(`[data-testid="tag-value"][data-tag="tag-${MANY_TAGS - 1}"]`)
  await expect.poll(() => last.textContent(), WAIT).toContain('9.999')
  await page.getByRole('searchbox').fill('')
  await page.locator('[data-testid="tag-value"][data-tag="tag-0"]').waitFor(WAIT)
  expect(await page.getByTestId('tag-value').count()).toBeLessThan(100)
})

it.concurrent('what comes late is filled in while one looks', async ({ expect }) => {
  await page.goto(`${pathOf('horno')}?tags=temperature&range=10min`)
  const middle = (NOT_YET.from + NOT_YET.to) / 2
  const look = () => readingAt(middle, { from: Date.now() - 10 * MINUTE_MS, to: Date.now() })
  await expect.poll(look, WAIT).toContain('sin datos')
  for (let at = NOT_YET.from; at <= NOT_YET.to; at += EVERY_MS) await tell('horno', { temperature: 30 }, at)
  await expect.poll(() => reading(), WAIT).toContain('30')
})

it.concurrent('on a telephone the chart is read by a tap and stretched by two fingers, and strange names and values stay in their place', async ({
  expect,
}) => {
  const phone = await signedInPage(browser, company.endpoints, company.adminEmail, {
    ...{ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
    // What the policy for scripts would stop shall not run without it either.
    bypassCSP: true,
  })
  const wrong: string[] = []
  phone.on('pageerror', (error) => wrong.push(error.message))
  phone.on('console', (message) => message.type() === 'error' && wrong.push(message.text()))
  await phone.goto(`${pathOf('horno')}?tags=temperature&from=${DAY.from}&to=${DAY.to}`)
  const plot = phone.locator('.u-over').first()
  await plot.scrollIntoViewIfNeeded(WAIT)
  const { x, y, width, height } = (await plot.boundingBox())!
  await phone.touchscreen.tap(x + (width * (ago(9) - DAY.from)) / (24 * HOUR_MS), y + height / 2)
  await expect.poll(() => reading(phone), WAIT).toContain('sin datos')
  const fingers = await phone.context().newCDPSession(phone)
  const touch = async (type: 'touchStart' | 'touchMove' | 'touchEnd', ...shares: number[]) => {
    const touchPoints = shares.map((share, id) => ({ id, x: x + share * width, y: y + height / 2 }))
    await fingers.send('Input.dispatchTouchEvent', { type, touchPoints })
  }
  await touch('touchStart', 0.4, 0.6)
  for (const apart of [0.15, 0.2, 0.25]) await touch('touchMove', 0.5 - apart, 0.5 + apart)
  await touch('touchEnd')
  await phone.waitForURL((url) => url.searchParams.get('from') !== String(DAY.from), WAIT)
  const [from, to] = ['from', 'to'].map((end) => Number(new URL(phone.url()).searchParams.get(end)))
  // What was under the fingers still is: a fifth of the day is now half of the plot.
  expect((to! - from!) / HOUR_MS).toBeCloseTo(24 * 0.4, 0)
  expect((from! + to!) / 2 / HOUR_MS).toBeCloseTo(ago(12) / HOUR_MS, 0)

  const expectUnharmed = async () => {
    const [wider, images, title] = await phone.evaluate<[number, number, string]>(`[
      document.documentElement.scrollWidth - document.documentElement.clientWidth,
      document.querySelectorAll('img').length,
      document.title,
    ]`)
    expect([wider, images]).toEqual([0, 0])
    expect(title).not.toBe('run')
  }
  await phone.goto('/admin/plants')
  await phone.getByTestId('change-plant').click()
  await phone.getByTestId('plant-name').fill(NAMES['html']!)
  await phone.getByTestId('confirm').click()
  await phone.getByTestId('plant-row').getByText(NAMES['html']!).waitFor(WAIT)
  await expectUnharmed()
  const nameOf = (slug: string) => phone.locator(`[data-machine="${slug}"] bdi`).first().textContent(WAIT)
  await phone.goto(`/plants/${company.plant}?view=table`)
  for (const [slug, name] of Object.entries(NAMES)) await expect.poll(() => nameOf(slug), WAIT).toBe(name)
  await expectUnharmed()
  // Only the first tiles are on the screen.
  await phone.goto(`/plants/${company.plant}`)
  await expect.poll(() => nameOf('chinese'), WAIT).toBe(NAMES['chinese'])
  await expectUnharmed()
  await phone.goto(pathOf('long'))
  await expect.poll(() => phone.locator('h1 bdi').textContent(), WAIT).toBe(NAMES['long'])
  await expectUnharmed()
  // Lines of the greatest and the least number that there are, beside one that is zero.
  await phone.goto(`${pathOf('html')}?tags=greatest,least,zero,tiny`)
  await expect.poll(() => phone.getByTestId('chart').getAttribute('data-points', WAIT), WAIT).toBe('1,1,1,1')
  const shown = async (tag: string) =>
    (await phone.locator(`[data-testid="tag-value"][data-tag="${tag}"]`).textContent())!
  expect(await shown('greatest')).toContain('1,000E308')
  expect(await shown('least')).toContain('-1,000E308')
  expect(await shown('zero')).not.toContain('-')
  expect(await shown('text')).toContain(String(VALUES['text']))
  expect(await shown('markup')).toContain(SCRIPT)
  await expectUnharmed()
  expect(wrong).toEqual([])
  await phone.context().close()
})
