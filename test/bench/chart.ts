/**
 * The chart of a machine with a reading each second, in Chromium: how soon 24 h of a tag are drawn after they were asked for,
 * through the whole local system; and how smoothly four lines of 2,000 points each are moved and stretched by fingers.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import pg from 'pg'
import type { Browser, CDPSession, Page } from 'playwright-core'
import { type LocalCloud, startLocalCloud } from '../../local/cloud.ts'
import type { CreatedGateway, History, Plant } from '../../schemas/api.ts'
import { signIn } from '../helpers/api-client.ts'
import { launchChromium } from '../helpers/chromium.ts'
import { telemetry } from '../helpers/envelopes.ts'
import { signedInPage } from '../helpers/signed-in-page.ts'
import { type Figure, percentile } from './figure.ts'

const EMAIL = 'admin@granix.example'
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const MACHINE = '/plants/bench-chart/machines/press'
const TAGS = ['a', 'b', 'c', 'd']
const DRAWINGS = 60
const POINTS = 2_000
const GESTURE_MS = 10_000

export async function benchChart(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-chart-'))
  const cloud = await startLocalCloud({ rootDir: join(folder, 'local'), demo: false, anyPorts: true })
  const browser = await launchChromium()
  try {
    const now = await writeDay(cloud)
    return [await benchDrawing(browser, cloud, now), ...(await benchGestures(browser, cloud, now))]
  } finally {
    await browser.close()
    await cloud.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Two days of readings, each second, rolled up as far as their hours are over. Returns when the last one was. */
async function writeDay(cloud: LocalCloud): Promise<number> {
  const { endpoints } = cloud
  const api = await signIn(endpoints, EMAIL)
  const place = { tenant: 'granix', province: 'ba', plant: 'bench-chart' }
  const about = { slug: place.plant, province: place.province, name: 'Bench', timeZone: 'UTC' }
  const { plantId } = (await api.post('/plants', about)) as Plant
  const { gateway } = (await api.post('/gateways', { plantId })) as CreatedGateway
  const now = Date.now()
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  const sqs = new SQSClient({ endpoint: endpoints.sqs.url, region: endpoints.sqs.region, credentials })
  const values = Object.fromEntries(TAGS.map((tag) => [tag, 1]))
  const MessageBody = telemetry({ ...place, thingName: gateway.thingName }, 'press', {
    seq: now,
    timestamp: now,
    values,
  })
  await sqs.send(new SendMessageCommand({ QueueUrl: endpoints.sqs.queues.telemetry, MessageBody }))
  sqs.destroy()

  const database = new pg.Client({ connectionString: endpoints.postgres.url })
  await database.connect()
  let machine: { id: string; tenant_id: string } | undefined
  while (!machine) {
    await wait(200)
    machine = (
      await database.query<{ id: string; tenant_id: string }>(`select id, tenant_id from machines where slug = 'press'`)
    ).rows[0]
  }
  await database.query(
    `insert into telemetry_events (tenant_id, machine_id, ts, seq, received_at, values)
     select $1, $2, t, t, t + 180, jsonb_build_object(
       'a', 60 + 20 * sin(t / 2.1e6), 'b', 3 + sin(t / 9e5), 'c', 12 + 4 * sin(t / 5e5), 'd', 40 + 9 * sin(t / 3e6))
     from generate_series($3::int8 - ${2 * DAY_MS}, $3::int8 - 1000, 1000) t`,
    [machine.tenant_id, machine.id, now],
  )
  await database.query('update rollup_progress set hour = least(hour, $1)', [Math.floor(now / HOUR_MS) - 49])
  for (let rolledUp = 0; rolledUp < 47;) {
    await wait(1000)
    rolledUp = (await database.query(`select hour from rollups where machine_id = $1 and tag = 'a'`, [machine.id])).rows
      .length
  }
  await database.query('vacuum analyze')
  await database.end()
  return now
}

/** In the page, as text: this program is not checked against the types of a browser. uPlot clears its canvas before it draws. */
const NOTE_DRAWINGS = `
  window.drawings = []
  const { clearRect } = CanvasRenderingContext2D.prototype
  CanvasRenderingContext2D.prototype.clearRect = function (...args) {
    window.drawings.push(performance.now())
    return clearRect.apply(this, args)
  }`

/** From the click to the frame in which the answer's points are on the screen. */
const drawnAfterClick = (button: string) => `new Promise((resolve) => {
  const clicked = performance.now()
  document.querySelector('${button}').click()
  const look = () => {
    const asked = performance.getEntriesByType('resource').find((each) =>
      each.name.includes('/history?') && each.startTime >= clicked && each.responseEnd > 0)
    const drawn = asked && window.drawings.find((at) => at >= asked.responseEnd)
    if (drawn) resolve(performance.now() - clicked)
    else requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
})`

async function benchDrawing(browser: Browser, cloud: LocalCloud, now: number): Promise<Figure> {
  const page = await signedInPage(browser, cloud.endpoints, EMAIL, {
    viewport: { width: 1440, height: 900 },
    bypassCSP: true,
  })
  await page.addInitScript(NOTE_DRAWINGS)
  await page.goto(`${MACHINE}?tags=a&from=${now - DAY_MS}&to=${now}`)
  await drawn(page)
  const delays: number[] = []
  for (let n = 0; n < DRAWINGS; n += 1) {
    const button = `[data-testid="pan-${n % 2 === 0 ? 'earlier' : 'later'}"]`
    delays.push(await page.evaluate<number>(drawnAfterClick(button)))
    await wait(300)
  }
  await page.context().close()
  return {
    what: 'chart of 24 h, one tag of one reading per second: from the click to the drawn answer',
    measured: `p95 ${percentile(delays, 95).toFixed(0)} ms, median ${percentile(delays, 50).toFixed(0)} ms of ${DRAWINGS}`,
    toReach: 'p95 at most 200 ms',
    reached: percentile(delays, 95) <= 200,
  }
}

const drawn = (page: Page) =>
  page.waitForFunction(`Number(document.querySelector('[data-testid=chart]')?.dataset.points?.split(',')[0]) > 300`)

async function benchGestures(browser: Browser, cloud: LocalCloud, now: number): Promise<Figure[]> {
  const page = await signedInPage(browser, cloud.endpoints, EMAIL, {
    viewport: { width: 1440, height: 900 },
    hasTouch: true,
    bypassCSP: true,
  })
  await page.route('**/history?*', (route) => {
    const query = new URL(route.request().url()).searchParams
    const [from, to] = [Number(query.get('from')), Number(query.get('to'))]
    return route.fulfill({ json: manyPoints(query.get('tag')!, from, to) })
  })
  await page.goto(`${MACHINE}?tags=${TAGS.join(',')}&from=${now - DAY_MS}&to=${now}`)
  await drawn(page)
  const points = await page.getByTestId('chart').getAttribute('data-points')
  if (points !== TAGS.map(() => POINTS).join(',')) throw new Error(`the chart has ${points} points`)
  const cdp = await page.context().newCDPSession(page)
  const box = (await page.locator('.u-over').first().boundingBox())!
  const figures: Figure[] = []
  for (const [what, fingersAt] of Object.entries(GESTURES)) {
    const frames = page.evaluate<number[]>(FRAMES)
    await gesture(cdp, (turn) =>
      fingersAt(turn).map((share, id) => ({ id, x: box.x + box.width * share, y: box.y + box.height / 2 })),
    )
    const times = await frames
    const perSecond = ((times.length - 1) * 1000) / (times.at(-1)! - times[0]!)
    const longest = Math.max(...times.slice(1).map((time, n) => time - times[n]!))
    figures.push({
      what: `${TAGS.length} lines of ${POINTS} points, ${what}`,
      measured: `${perSecond.toFixed(1)} frames/s, longest frame ${longest.toFixed(0)} ms`,
      toReach: 'at least 55 frames/s',
      reached: perSecond >= 55,
    })
  }
  await page.context().close()
  return figures
}

function manyPoints(tag: string, from: number, to: number): History {
  const bucketMs = (to - from) / POINTS
  const points = Array.from({ length: POINTS }, (_, n): [number, number, number, number, number] => {
    const mean = 10 * (TAGS.indexOf(tag) + 1) + Math.sin(n / 40) + Math.sin(n * 12.9898) / 2
    return [Math.round(from + n * bucketMs), mean - 1, mean, mean + 1, 43]
  })
  return { tag, from, to, kind: 'number', bucketMs, bad: [], points }
}

/** Where the fingers are, as shares of the plot's width, at a turn of the gesture from 0 to 2 pi. */
const GESTURES: Record<string, (turn: number) => number[]> = {
  'moved by a finger': (turn) => [0.5 + 0.3 * Math.sin(turn)],
  'stretched by two': (turn) => [0.35 - 0.2 * Math.sin(turn), 0.65 + 0.2 * Math.sin(turn)],
}

const FRAMES = `new Promise((resolve) => {
  const times = []
  const look = (at) => {
    times.push(at)
    if (at - times[0] < ${GESTURE_MS - 500}) requestAnimationFrame(look)
    else resolve(times)
  }
  requestAnimationFrame(look)
})`

type Finger = { id: number; x: number; y: number }

async function gesture(cdp: CDPSession, fingersAt: (turn: number) => Finger[]): Promise<void> {
  const started = performance.now()
  await cdp.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: fingersAt(0) })
  for (let ms = 0; ms < GESTURE_MS; ms = performance.now() - started) {
    await cdp.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: fingersAt((ms / 1000) * Math.PI) })
    await wait(8)
  }
  await cdp.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] })
}
