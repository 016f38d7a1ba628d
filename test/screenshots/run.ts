/**
 * `npm run screenshots`: every page of the app into docs/screenshots, light and dark and as on a telephone, from a local
 * system of its own with the demo's machines and eight days of readings. Look at each of them.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { Browser, BrowserContextOptions } from 'playwright-core'
import { startLocalCloud } from '../../local/cloud.ts'
import type { Endpoints } from '../../local/endpoints.ts'
import { removePostgresData } from '../../local/postgres-home.ts'
import { launchChromium } from '../helpers/chromium.ts'
import { signedInPage } from '../helpers/signed-in-page.ts'
import { writePastReadings } from './past-readings.ts'
import { sendRefusedMessages } from './refused-messages.ts'

const repository = join(import.meta.dirname, '../..')
const target = join(repository, 'docs/screenshots')

const MACHINE = '/plants/planta-baradero/machines/bomba-1'
/** What a page needs beside its address: what to click once it is there, and how long its trends are to grow. */
const PAGES: Record<string, { path: string; click?: string; watchMs?: number }> = {
  overview: { path: '/' },
  plant: { path: '/plants/planta-baradero', watchMs: 75_000 },
  machine: { path: `${MACHINE}?range=24h&tags=temperature,pressure,running,state` },
  events: { path: `${MACHINE}?tab=events` },
  completeness: { path: `${MACHINE}?tab=completeness&range=8h` },
  gateways: { path: '/gateways' },
  gateway: { path: '/gateways/granix-ba-gateway-1' },
  onboarding: { path: '/admin/onboarding?plant=planta-baradero&machines=0&gateway=granix-ba-gateway-1' },
  machines: { path: '/admin/machines', click: '[data-testid="choose-all"]' },
  users: { path: '/admin/users' },
  quarantine: { path: '/admin/dead-letters?code=invalid_json', click: '[data-testid="dead-letter"] button' },
  audit: { path: '/admin/audit' },
  profile: { path: '/profile' },
}
const LOOKS: Record<string, BrowserContextOptions> = {
  light: { viewport: { width: 1440, height: 900 }, colorScheme: 'light' },
  dark: { viewport: { width: 1440, height: 900 }, colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: 'light', isMobile: true, hasTouch: true },
}
/** So long do charts and trends have something to show, and the sweep and the quarantine have run. */
const SETTLE_MS = 90_000
const DRAW_MS = 3_000

async function main(): Promise<void> {
  const rootDir = mkdtempSync(join(tmpdir(), 'screenshots-'))
  chmodSync(rootDir, 0o755) // Postgres runs as another user when this runs as root
  const assemblyCache = join(repository, '.local/assembly')
  const cloud = await startLocalCloud({ rootDir, demo: true, anyPorts: true, assemblyCache, say: console.log })
  const browser = await launchChromium()
  try {
    await pause(SETTLE_MS / 3)
    await fill(cloud.endpoints)
    await pause((SETTLE_MS * 2) / 3)
    mkdirSync(target, { recursive: true })
    for (const [look, options] of Object.entries(LOOKS)) await take(browser, cloud.endpoints, look, options)
  } finally {
    await browser.close()
    await cloud.stop()
    removePostgresData(join(rootDir, 'postgres'))
    rmSync(rootDir, { recursive: true, force: true })
  }
}

async function fill(endpoints: Endpoints): Promise<void> {
  const pool = new pg.Pool({ connectionString: endpoints.postgres.url })
  await writePastReadings(pool, 'granix', 'planta-baradero', Date.now())
  await pool.end()
  await sendRefusedMessages(endpoints, Date.now())
}

async function take(
  browser: Browser,
  endpoints: Endpoints,
  look: string,
  options: BrowserContextOptions,
): Promise<void> {
  const page = await signedInPage(browser, endpoints, 'admin@granix.example', options)
  for (const [name, { path, click, watchMs = DRAW_MS }] of Object.entries(PAGES)) {
    await page.goto(path)
    await page.locator('h1').first().waitFor()
    await page.locator('.skeleton').first().waitFor({ state: 'detached' })
    if (click !== undefined) await page.locator(click).first().click()
    await pause(watchMs)
    await page.screenshot({ path: join(target, `${name}-${look}.png`) })
  }
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
