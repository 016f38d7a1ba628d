/** The chart of a machine with two days behind it, in Chromium: what it shows of gaps, bad values and late data, and what is done with it. */
import { readFileSync } from 'node:fs'
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import pg from 'pg'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest'
import type { CreatedGateway, PlantPage } from '../../schemas/api.ts'
import { signIn } from '../helpers/api-client.ts'
import { launchChromium } from '../helpers/chromium.ts'
import { type Company, createCompany } from '../helpers/company.ts'
import { telemetry } from '../helpers/envelopes.ts'
import { signedInPage } from '../helpers/signed-in-page.ts'

const COMPANY = 'graficos'
const HOUR_MS = 3_600_000
const EVERY_MS = 30_000
const WAIT = { timeout: 60_000 }
const now = Math.floor(Date.now() / EVERY_MS) * EVERY_MS
const ago = (hours: number) => now - hours * HOUR_MS
const GAP = { from: ago(10), to: ago(8) }
const BAD = { from: ago(6), to: ago(5) }
const SPIKE_AT = ago(3)

const given = inject('endpoints')
const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
const sqs = new SQSClient({ endpoint: given.sqs.url, region: given.sqs.region, credentials })
let company: Company
let browser: Browser
let page: Page
let place: { tenant: string; province: string; plant: string; thingName: string }
let path: string

beforeAll(async () => {
  company = await createCompany(given, COMPANY)
  const api = await signIn(company.endpoints, company.adminEmail)
  const { plantId } = ((await api.get('/plants')) as PlantPage).items[0]!
  const { gateway } = (await api.post('/gateways', { plantId })) as CreatedGateway
  place = { tenant: COMPANY, province: 'ba', plant: company.plant, thingName: gateway.thingName }
  path = `/plants/${company.plant}/machines/horno`
  await tell(now, 21)
  await writeTwoDays()
  browser = await launchChromium()
  page = await signedInPage(browser, company.endpoints, company.adminEmail, { viewport: { width: 1440, height: 900 } })
}, 60_000)
afterAll(async () => {
  await browser.close()
  sqs.destroy()
})

async function tell(timestamp: number, temperature: number): Promise<void> {
  const MessageBody = telemetry(place, 'horno', { seq: timestamp, timestamp, values: { temperature } })
  await sqs.send(new SendMessageCommand({ QueueUrl: given.sqs.queues.telemetry, MessageBody }))
}

async function writeTwoDays(): Promise<void> {
  const database = new pg.Client({ connectionString: given.postgres.url })
  await database.connect()
  const machine = await vi.waitFor(
    async () => {
      const { rows } = await database.query<{ id: string; tenant_id: string }>(
        `select m.id, m.tenant_id from machines m join tenants t on t.id = m.tenant_id where t.slug = $1`,
        [COMPANY],
      )
      expect(rows).toHaveLength(1)
      return rows[0]!
    },
    { ...WAIT, interval: 200 },
  )
  await database.query(
    `insert into telemetry_events (tenant_id, machine_id, ts, seq, received_at, values, quality)
     select $1, $2, t, t, t + 180,
       jsonb_build_object('temperature', case when t = $6 then 99 when t < $8 then 15 else 20 end),
       case when t >= $5 and t < $7 then '{"temperature": "bad"}'::jsonb end
     from generate_series($9::int8, $10::int8, ${EVERY_MS}) t where not (t >= $3 and t < $4)`,
    [machine.tenant_id, machine.id, GAP.from, GAP.to, BAD.from, SPIKE_AT, BAD.to, ago(24), ago(48), now - EVERY_MS],
  )
  // All of it is read raw until the job has rolled it up.
  await database.query('update rollup_progress set hour = least(hour, $1)', [Math.floor(ago(49) / HOUR_MS)])
  await database.end()
}

const reading = (of = page) => of.locator('[data-testid="chart-reading"]').first().textContent()
const points = async (of = page) => Number((await of.getByTestId('chart').getAttribute('data-points')) ?? 0)
/** Looks at the chart at this time. */
async function pointAt(at: number): Promise<void> {
  const { x, y, width, height } = (await page.locator('.u-over').first().boundingBox())!
  const { from, to } = { from: ago(24), to: now }
  await page.mouse.move(x + (width * (at - from)) / (to - from), y + height / 2)
}

it('shows a spike of one sample, a gap as a gap, and hatches what could not be read', async () => {
  await page.goto(`${path}?tags=temperature&from=${ago(24)}&to=${now}`)
  await expect.poll(() => points(), WAIT).toBeGreaterThan(500)
  await pointAt(SPIKE_AT)
  await expect.poll(() => reading(), WAIT).toContain('… 99')
  await pointAt((GAP.from + GAP.to) / 2)
  await expect.poll(() => reading(), WAIT).toContain('sin datos')
  await pointAt((BAD.from + BAD.to) / 2)
  await expect.poll(() => reading(), WAIT).toContain('mala calidad')
  await page.mouse.move(5, 5)
  // What is drawn above the line. As text: this program knows no types of a browser.
  const drawn = (at: { from: number; to: number }) => {
    const [from, to] = [at.from, at.to].map((time) => (time - ago(24)) / (now - ago(24)))
    return page.evaluate<number>(`(() => {
      const canvas = document.querySelector('.uplot canvas')
      const over = document.querySelector('.u-over')
      const ratio = canvas.width / canvas.clientWidth
      const x = (share) => (over.offsetLeft + over.offsetWidth * share) * ratio
      const image = canvas.getContext('2d').getImageData(x(${from}), over.offsetTop * ratio, x(${to}) - x(${from}), 40)
      return image.data.filter((value, index) => index % 4 === 3 && value > 60).length
    })()`)
  }
  expect(await drawn(BAD)).toBeGreaterThan(200)
  expect(await drawn(BAD)).toBeGreaterThan(3 * (await drawn(GAP)))
}, 90_000)

it('compares with the day before, and makes a picture of what is seen', async () => {
  await page.getByTestId('compare').check()
  await page.waitForURL(/compare=1/)
  await pointAt(ago(1))
  await expect.poll(() => reading(), WAIT).toMatch(/20.*ayer.*15/)
  const downloading = page.waitForEvent('download')
  await page.getByTestId('png').click()
  const png = readFileSync(await (await downloading).path())
  expect(png.subarray(1, 4).toString()).toBe('PNG')
  expect(png.readUInt32BE(16)).toBeGreaterThan(800)
}, 60_000)

it('fills in what comes late while one looks', async () => {
  await page.goto(`${path}?tags=temperature&range=10min`)
  await expect.poll(() => points(), WAIT).toBeGreaterThan(5)
  const before = await points()
  const late = Date.now() - 300_000
  for (let n = 0; n < 5; n += 1) await tell(late + n * 1000, 30)
  await expect.poll(() => points(), WAIT).toBeGreaterThanOrEqual(before + 4)
}, 60_000)

it('is moved by one finger and stretched by two', async () => {
  const phone = await signedInPage(browser, company.endpoints, company.adminEmail, {
    viewport: { width: 390, height: 844 },
    ...{ hasTouch: true, isMobile: true },
  })
  await phone.goto(`${path}?tags=temperature&from=${ago(24)}&to=${ago(12)}`)
  await expect.poll(() => points(phone), WAIT).toBeGreaterThan(100)
  const chart = phone.locator('.u-over').first()
  await phone.evaluate(`document.querySelector('.u-over').scrollIntoView({ block: 'center' })`)
  const { x, y, width, height } = (await chart.boundingBox())!
  const cdp = await phone.context().newCDPSession(phone)
  const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', ...shares: number[]) =>
    cdp.send('Input.dispatchTouchEvent', {
      type,
      touchPoints: shares.map((share, id) => ({ id, x: x + width * share, y: y + height / 2 })),
    })
  const span = () => {
    const query = new URL(phone.url()).searchParams
    return { from: Number(query.get('from')), to: Number(query.get('to')) }
  }
  const first = span()
  await touch('touchStart', 0.4, 0.6)
  for (let step = 1; step <= 5; step += 1) await touch('touchMove', 0.4 - step * 0.06, 0.6 + step * 0.06)
  await touch('touchEnd')
  await expect.poll(() => span().to - span().from, WAIT).toBeLessThan((first.to - first.from) / 2)
  const stretched = span()
  await touch('touchStart', 0.3)
  for (let step = 1; step <= 5; step += 1) await touch('touchMove', 0.3 + step * 0.1)
  await touch('touchEnd')
  await expect.poll(() => span().from, WAIT).toBeLessThan(stretched.from)
  expect(Math.abs(span().to - span().from - (stretched.to - stretched.from))).toBeLessThan(10)
  await phone.context().close()
}, 60_000)
