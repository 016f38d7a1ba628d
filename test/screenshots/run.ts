/**
 * `npm run screenshots`: every page of the app into docs/screenshots, light and dark and as on a telephone, from a local
 * system of its own with the demo's machines, eight days of readings and some alarms. Look at each of them.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { startLocalCloud } from '../../local/cloud.ts'
import type { Endpoints } from '../../local/endpoints.ts'
import { removePostgresData } from '../../local/postgres-home.ts'
import { launchChromium } from '../helpers/chromium.ts'
import { signedInPage } from '../helpers/signed-in-page.ts'
import { writePastReadings } from './past-readings.ts'
import { raiseAlarms } from './raise-alarms.ts'
import { sendRefusedMessages } from './refused-messages.ts'

const repository = join(import.meta.dirname, '../..')
const target = join(repository, 'docs/screenshots')

const PLANT = '/plants/planta-baradero'
const MACHINE = `${PLANT}/machines/bomba-1`
/** What a page needs beside its address: what to click, press or type once it is there. */
const PAGES: Record<string, { path: string; click?: string; press?: string; type?: string }> = {
  overview: { path: '/' },
  machine: { path: `${MACHINE}?range=24h&tags=temperature,pressure,running,state` },
  compare: { path: `${MACHINE}?range=8h&tags=temperature,current&compare=1` },
  events: { path: `${MACHINE}?tab=events` },
  completeness: { path: `${MACHINE}?tab=completeness&range=8h` },
  gateways: { path: '/gateways' },
  gateway: { path: '/gateways/granix-ba-gateway-1' },
  alarms: { path: '/alarms', click: '[data-testid="alarm-details"]' },
  rules: { path: '/alarms?tab=rules' },
  rule: { path: '/alarms?tab=rules', click: '[data-testid="change-rule"]' },
  search: { path: '/', press: '/', type: 'bomba' },
  keys: { path: '/', press: '?' },
  wall: { path: `${PLANT}?wall=1` },
  guide: { path: '/guide' },
  onboarding: { path: '/admin/onboarding?plant=planta-baradero&machines=0&gateway=granix-ba-gateway-1' },
  table: { path: `${PLANT}?view=table` },
  plants: { path: '/admin/plants', click: '[data-testid="change-plant"]' },
  machines: { path: '/admin/machines', click: '[data-testid="choose-all"]' },
  users: { path: '/admin/users' },
  quarantine: { path: '/admin/dead-letters?code=invalid_json', click: '[data-testid="dead-letter"] button' },
  audit: { path: '/admin/audit' },
  profile: { path: '/profile' },
}
/** Marks that blink are seen whole. */
const STILL = { reducedMotion: 'reduce' } as const
const LOOKS: Record<string, BrowserContextOptions> = {
  light: { viewport: { width: 1440, height: 900 }, colorScheme: 'light' },
  dark: { viewport: { width: 1440, height: 900 }, colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: 'light', isMobile: true, hasTouch: true },
}
/** Until the gateways have sent what the past is written around. */
const SETTLE_MS = 20_000
/** So long do trends have something to show, and the sweep and the quarantine have run. */
const WATCH_MS = 60_000
const DRAW_MS = 2_000

async function main(): Promise<void> {
  const rootDir = mkdtempSync(join(tmpdir(), 'screenshots-'))
  chmodSync(rootDir, 0o755) // Postgres runs as another user when this runs as root
  const assemblyCache = join(repository, '.local/assembly')
  const cloud = await startLocalCloud({ rootDir, demo: true, anyPorts: true, assemblyCache, say: console.log })
  const browser = await launchChromium()
  try {
    await pause(SETTLE_MS)
    await fill(cloud.endpoints)
    mkdirSync(target, { recursive: true })
    await Promise.all(
      Object.entries(LOOKS).map(([look, options]) => take(browser, cloud.endpoints, look, { ...options, ...STILL })),
    )
  } finally {
    await browser.close()
    await cloud.stop()
    removePostgresData(join(rootDir, 'postgres'))
    rmSync(rootDir, { recursive: true, force: true })
  }
}

/** With their units, as their gateways tell them with the first readings and once a minute; and approved. */
async function machinesAreKnown(pool: pg.Pool): Promise<void> {
  for (let unknown = 1; unknown > 0; await pause(500)) {
    const { rows } = await pool.query<{ unknown: number }>(
      `select count(*)::int4 as unknown from machines where units = '{}'`,
    )
    unknown = rows[0]!.unknown
  }
  await pool.query(`update machines set status = 'active'`)
}

async function fill(endpoints: Endpoints): Promise<void> {
  const pool = new pg.Pool({ connectionString: endpoints.postgres.url })
  await machinesAreKnown(pool)
  await writePastReadings(pool, 'granix', 'planta-baradero', Date.now())
  await pool.end()
  await sendRefusedMessages(endpoints, Date.now())
  await raiseAlarms(endpoints)
}

async function take(
  browser: Browser,
  endpoints: Endpoints,
  look: string,
  options: BrowserContextOptions,
): Promise<void> {
  const plant = await signedInPage(browser, endpoints, 'admin@granix.example', options)
  await plant.goto(PLANT)
  const page = await plant.context().newPage()
  const watched = pause(WATCH_MS)
  const shoot = (of: Page, name: string) => of.screenshot({ path: join(target, `${name}-${look}.png`) })
  for (const [name, { path, click, press, type }] of Object.entries(PAGES)) {
    await page.goto(path)
    await page.locator('h1').first().waitFor()
    await page.locator('.skeleton').first().waitFor({ state: 'detached' })
    if (click !== undefined) await page.locator(click).first().click()
    if (press !== undefined) await page.keyboard.press(press)
    if (type !== undefined) {
      await page.getByRole('dialog').waitFor()
      await page.keyboard.type(type)
    }
    await pause(DRAW_MS)
    await shoot(page, name)
  }
  await watched
  await plant.bringToFront()
  await shoot(plant, 'plant')
  await page.context().close()
  const signIn = await (await browser.newContext({ baseURL: endpoints.web.url, locale: 'es-AR', ...options })).newPage()
  await signIn.goto('/sign-in')
  await signIn.getByTestId('sign-in').waitFor()
  await signIn.screenshot({ path: join(target, `sign-in-${look}.png`) })
  await signIn.context().close()
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

await main()
process.exit()
