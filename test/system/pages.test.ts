/** The pages in Chromium, against the whole local system: what people do with them, in the order in which they would. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import pg from 'pg'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { launchChromium } from '../helpers/chromium.ts'
import { installGateway } from '../helpers/gateway-process.ts'
import { setFloat32, startPlc } from '../helpers/plc.ts'
import { signedInPage } from '../helpers/signed-in-page.ts'

const endpoints = inject('endpoints')
const ADMIN = 'admin@norpan.example'
const PLANT = 'planta-nandu-3'
const WAIT = { timeout: 30_000 }
const cleanup: (() => unknown)[] = []
let browser: Browser
let folder: string
let plc: Awaited<ReturnType<typeof startPlc>>
let admin: Page
let thingName: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pages-'))
  cleanup.push(() => rmSync(folder, { recursive: true, force: true }))
  browser = await launchChromium()
  cleanup.push(() => browser.close())
  plc = await startPlc()
  cleanup.push(() => plc.stop())
  setFloat32(plc, 100, 20.5)
  admin = await signedInPage(browser, endpoints, ADMIN, { viewport: { width: 1440, height: 900 } })
})
afterAll(async () => {
  for (const undo of cleanup.reverse()) await undo()
})

async function expireCertificate(at: number): Promise<void> {
  const client = new pg.Client({ connectionString: endpoints.postgres.url })
  await client.connect()
  await client.query(
    `update gateway_certificates set expires_at = $1 where gateway_id = (select id from gateways where thing_name = $2)`,
    [at, thingName],
  )
  await client.end()
}

/** Without the empty tab that it otherwise opens for each result: there are no frames of other origins. */
const axe = (page: Page) => new AxeBuilder({ page }).setLegacyMode()

/** In another tab at the same address, whose clock is moved: a step that has not come says what to check. */
async function saysWhatToCheck(page: Page, step: string, words: string): Promise<void> {
  const tab = await page.context().newPage()
  await tab.clock.install()
  // By its Date the page would correct its clock.
  await tab.route('**/v1/**', async (route) => {
    const response = await route.fetch()
    const headers = { ...response.headers(), date: '' }
    await route.fulfill({ response, headers })
  })
  await tab.goto(page.url())
  const waiting = tab.locator(`[data-step="${step}"][data-done="false"]`)
  await waiting.locator('.since').waitFor(WAIT)
  expect(await waiting.getByRole('note').count()).toBe(0)
  await tab.clock.fastForward(61_000)
  await waiting.getByRole('note').getByText(words).waitFor(WAIT)
  // A request under way would fail with the tab. Chromium draws a tab in the background once a second only.
  await tab.unrouteAll({ behavior: 'wait' })
  await tab.close()
}

it('an admin goes from nothing to the first value, and the page lights up step by step', async () => {
  await admin.goto('/admin/onboarding')
  await admin.getByTestId('new-plant').click()
  await admin.getByTestId('plant-name').fill('Planta Ñandú 3')
  expect(await admin.getByTestId('plant-slug').inputValue()).toBe(PLANT)
  await admin.getByTestId('plant-province').fill('sf')
  await admin.getByTestId('create-plant').click()
  await admin.getByTestId('machine-names').fill('Horno de pan\n')
  await admin.getByTestId('create-machines').click()
  await admin.getByTestId('known-machines').getByText('horno-de-pan').waitFor(WAIT)
  await admin.getByTestId('create-gateway').click()
  const command = (await admin.getByTestId('copy-text').textContent())!
  const [, token] = /--token (\S+)/.exec(command)!
  thingName = new URL(admin.url()).searchParams.get('gateway')!

  const step = (name: string, done: boolean) => admin.locator(`[data-step="${name}"][data-done="${done}"]`)
  await step('enrolled', false).waitFor(WAIT)
  await saysWhatToCheck(admin, 'enrolled', 'firewall')
  const gateway = await installGateway(endpoints, {
    ...{ folder, thingName, token: token! },
    devices: `  - { name: plc-1, driver: modbus-tcp, host: 127.0.0.1, port: ${plc.port}, unitId: 1, timeoutMs: 1000 }`,
    machines: `  - slug: bomba-7
    device: plc-1
    intervalMs: 100
    tags:
      temperature: { address: "holding:100", type: float32, order: ABCD, unit: "°C" }
      running: { address: "coil:3" }`,
  })
  await step('enrolled', true).waitFor(WAIT)
  await step('connected', false).waitFor(WAIT)
  await saysWhatToCheck(admin, 'connected', '8883')
  const agent = gateway.start()
  cleanup.push(() => agent.kill('SIGKILL'))
  for (const name of ['connected', 'heartbeat', 'reading', 'machine']) await step(name, true).waitFor(WAIT)
  await admin.getByTestId('onboarding-complete').waitFor(WAIT)

  await admin.goto('/admin/machines?status=pending')
  const row = admin.locator('[data-testid="machine-row"][data-machine="bomba-7"]')
  await row.getByRole('checkbox').check()
  await admin.getByTestId('approve').click()
  await row.waitFor({ state: 'detached', ...WAIT })
  await admin.getByTestId('status-active').click()
  await admin.locator('[data-machine="bomba-7"][data-status="active"]').waitFor(WAIT)
  await admin.locator('[data-machine="horno-de-pan"][data-status="active"]').waitFor(WAIT)
  await admin.goto('/admin/audit?kind=plant')
  await admin.locator('[data-action="plant.create"]').first().waitFor(WAIT)
  const downloading = admin.waitForEvent('download')
  await admin.getByTestId('audit-csv').click()
  const lines = readFileSync(await (await downloading).path(), 'utf8').split('\r\n')
  expect(lines[0]).toBe('\uFEFFtime,user,action,subject,before,after,request')
  expect(lines.filter((line) => line.includes(`,${ADMIN},plant.create,${PLANT},`))).toHaveLength(1)
}, 180_000)

it('a chart shows a spike of one sample, is zoomed by dragging, and its address shows a colleague the same', async () => {
  const machine = `/plants/${PLANT}/machines/bomba-7`
  await admin.goto(`${machine}?tags=temperature,running`)
  const chart = admin.getByTestId('chart')
  const points = async () => Number(((await chart.getAttribute('data-points')) ?? '0').split(',')[0])
  await expect.poll(points, WAIT).toBeGreaterThan(3)
  const before = await points()
  setFloat32(plc, 100, 96)
  await expect.poll(() => admin.locator('[data-tag="temperature"]').first().textContent(), WAIT).toContain('96')
  setFloat32(plc, 100, 20.5)
  // What comes live is drawn without asking for the history again.
  await expect.poll(points, WAIT).toBeGreaterThan(before)

  await admin.getByTestId('range-24h').click()
  await expect
    .poll(() => admin.locator('[data-testid="chart-reading"][data-tag="temperature"]').textContent(), WAIT)
    .toMatch(/20,5.* … 96,0/)
  const downloading = admin.waitForEvent('download')
  await admin.getByTestId('csv').click()
  const csv = readFileSync(await (await downloading).path(), 'utf8')
  expect(csv.split('\r\n')[0]).toMatch(/temperature( \(°C\))? max;running/)
  expect(csv).toMatch(/;20,5;[\d,]+;96;/)

  const box = (await chart.locator('.u-over').first().boundingBox())!
  await admin.mouse.move(box.x + box.width * 0.7, box.y + 50)
  await admin.mouse.down()
  await admin.mouse.move(box.x + box.width * 0.9, box.y + 60, { steps: 5 })
  await admin.mouse.up()
  await admin.waitForURL(/from=\d+&to=\d+/)
  const title = await admin.getByTestId('chart-title').textContent()
  const colleague = await admin.context().newPage()
  await colleague.goto(admin.url())
  await expect.poll(() => colleague.getByTestId('chart-title').textContent(), WAIT).toBe(title)
  await colleague.close()
  await admin.goBack()
  await admin.waitForURL(/range=24h/)
  expect(admin.url()).not.toContain('from=')

  const day = new Date(Date.now() - 2 * 86_400_000).toISOString().slice(0, 10)
  await admin.getByTestId('range-own').click()
  await admin.getByTestId('range-from').fill(`${day}T06:00`)
  await admin.getByTestId('range-to').fill(`${day}T05:00`)
  expect(await admin.getByTestId('range-show').isDisabled()).toBe(true)
  await admin.getByTestId('range-to').fill(`${day}T07:30`)
  await admin.getByTestId('range-show').click()
  // In the plant's time, three hours behind UTC.
  await admin.waitForURL(`**from=${Date.parse(`${day}T09:00Z`)}&to=${Date.parse(`${day}T10:30Z`)}*`)

  await admin.goto(`${machine}?tab=events`)
  await admin.getByTestId('event').first().waitFor(WAIT)
}, 120_000)

it('a rule is tried before it is saved, its alarm comes into the open page, and is acknowledged there', async () => {
  await admin.goto('/alarms?tab=rules')
  await admin.getByTestId('new-rule').click()
  await admin.getByTestId('rule-name').fill('Horno <b>caliente</b>')
  await admin.getByTestId('rule-tag').fill('temperature')
  await admin.getByTestId('rule-limit').fill('90')
  await admin.getByTestId('try-rule').click()
  // The spike of the chart.
  await expect.poll(() => admin.getByTestId('trial').textContent(), WAIT).toContain('Habría sido una alarma una vez.')
  await admin.getByTestId('confirm').click()
  await admin.locator('[data-rule="Horno <b>caliente</b>"]').waitFor(WAIT)

  await admin.getByTestId('tab-open').click()
  await admin.getByTestId('alarms-empty').waitFor(WAIT)
  setFloat32(plc, 100, 97)
  const alarm = (state: string) => admin.locator(`[data-testid="alarm"][data-state="${state}"]`)
  await alarm('unacknowledged').getByTestId('alarm-acknowledge').click(WAIT)
  await alarm('acknowledged').waitFor(WAIT)
  expect(await alarm('acknowledged').getByTestId('alarm-acknowledge').count()).toBe(0)
  setFloat32(plc, 100, 20.5)
  await admin.getByTestId('alarms-empty').waitFor(WAIT)
  await admin.goto(`/plants/${PLANT}/machines/bomba-7?tags=temperature`)
  await admin.getByTestId('alarm-timeline').waitFor(WAIT)
  await admin.goto('/alarms')
  await admin.getByTestId('tab-closed').click()
  await alarm('normal').getByTestId('alarm-details').click(WAIT)
  await admin.getByText(ADMIN).first().waitFor(WAIT)

  await admin.getByTestId('tab-webhooks').click()
  await admin.getByTestId('new-webhook').click()
  await admin.getByTestId('webhook-name').fill('Guardia')
  await admin.getByTestId('webhook-url').fill('https://10.0.0.1/hook')
  await admin.getByTestId('confirm').click()
  await admin.getByTestId('dialog').getByRole('alert').waitFor(WAIT)
  await admin.getByTestId('webhook-url').fill('https://198.41.0.4/hook')
  await admin.getByTestId('confirm').click()
  await expect.poll(() => admin.getByTestId('copy-text').textContent(), WAIT).toMatch(/^whsec_/)
  await admin.locator('[data-webhook="Guardia"]').getByTestId('delete-webhook').click()
  await admin.getByTestId('confirm').click()
  await admin.locator('[data-webhook="Guardia"]').waitFor({ state: 'detached', ...WAIT })
}, 120_000)

it('a file of readings is asked for, made, and fetched', async () => {
  await admin.goto(`/plants/${PLANT}/machines/bomba-7?tags=temperature`)
  await admin.getByTestId('export-open').click()
  const dialog = admin.getByTestId('dialog')
  await dialog.waitFor(WAIT)
  const ticked = dialog.locator('[data-testid="export-tag"]:checked')
  await ticked.uncheck()
  expect(await dialog.getByTestId('export-problem').textContent()).toContain('variable')
  expect(await dialog.getByTestId('confirm').isDisabled()).toBe(true)
  await dialog.getByLabel('temperature').check()
  await dialog.getByTestId('confirm').click()
  await dialog.locator('[data-testid="export"][data-state="ready"]').waitFor(WAIT)
  const { violations } = await axe(admin).include('[data-testid="dialog"]').analyze()
  expect(violations).toEqual([])
  const downloading = admin.waitForEvent('download')
  await dialog.getByTestId('export-fetch').click()
  const csv = readFileSync(await (await downloading).path(), 'utf8')
  expect(csv).toMatch(/Z,planta-nandu-3,bomba-7,temperature,96,/)
  await admin.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
})

it('the machines of a plant are also a table, sorted and searched, and its address and its browser keep that', async () => {
  await admin.goto(`/plants/${PLANT}`)
  await admin.getByTestId('view-table').click()
  const lines = async () => {
    const rows = await admin.getByTestId('machine-line').all()
    return Promise.all(rows.map((row) => row.getAttribute('data-machine')))
  }
  await admin.getByTestId('sort-machine').click()
  await expect.poll(lines, WAIT).toEqual(['bomba-7', 'horno-de-pan'])
  await admin.getByTestId('sort-machine').click()
  await expect.poll(lines, WAIT).toEqual(['horno-de-pan', 'bomba-7'])
  await admin.getByTestId('search-machines').fill('pan')
  await expect.poll(lines, WAIT).toEqual(['horno-de-pan'])
  await admin.waitForURL(/search=pan/)
  await admin.getByTestId('choose-columns').click()
  await admin.getByTestId('column-gateway').uncheck()
  await admin.reload()
  await expect.poll(lines, WAIT).toEqual(['horno-de-pan'])
  expect(await admin.getByTestId('sort-machine').count()).toBe(1)
  expect(await admin.getByTestId('sort-gateway').count()).toBe(0)
}, 60_000)

it('a refused message is found by its code, and discarded with a reason that the audit log keeps', async () => {
  const sqs = new SQSClient({
    ...{ endpoint: endpoints.sqs.url, region: endpoints.sqs.region },
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  })
  const envelope = {
    payload: Buffer.from('<script>alert(1)</script>').toString('base64'),
    topic: `factory/norpan/sf/${PLANT}/bomba-7/telemetry`,
    ...{ clientId: thingName, receivedAt: Date.now(), traceId: 'pages' },
  }
  const queue = { QueueUrl: endpoints.sqs.queues['telemetry'], MessageBody: JSON.stringify(envelope) }
  await sqs.send(new SendMessageCommand(queue))
  sqs.destroy()

  await expect
    .poll(async () => {
      await admin.goto('/admin/dead-letters?code=invalid_json')
      return admin
        .locator('[data-code="invalid_json"]')
        .waitFor({ timeout: 3000 })
        .then(
          () => true,
          () => false,
        )
    }, WAIT)
    .toBe(true)
  const group = admin.locator('[data-code="invalid_json"]')
  await group.getByTestId('dead-letter').first().getByRole('button').click()
  expect(await group.locator('pre').first().textContent()).toBe('<script>alert(1)</script>')
  await group.getByTestId('discard-all').click()
  expect(await admin.getByTestId('confirm').isDisabled()).toBe(true)
  await admin.getByTestId('reason').fill('a test of the page')
  await admin.getByTestId('confirm').click()
  await admin.getByTestId('dead-letters-empty').waitFor(WAIT)
  await admin.goto('/admin/audit?kind=dead_letter')
  await admin.locator('[data-action="dead_letter.discard"] button').first().click()
  await admin.getByText('a test of the page').waitFor(WAIT)
}, 90_000)

it('a machine’s completeness says hour by hour that nothing of it is missing', async () => {
  await admin.goto(`/plants/${PLANT}/machines/bomba-7?tab=completeness`)
  // Seen after the gateway's next heartbeat (30 s) at the page's next look (30 s).
  const declared = { timeout: 90_000 }
  await expect.poll(() => admin.getByTestId('completeness-percent').textContent(), declared).toContain('100 %')
  await admin.locator('[data-testid="completeness-strip"] [data-state="full"]').first().waitFor(declared)
}, 120_000)

it('a gateway’s page shows every station of its way, and ends the gateway; another company’s is not there', async () => {
  await admin.goto(`/gateways/${thingName}`)
  for (const station of ['plc', 'gateway', 'buffer', 'mqtt', 'cloud']) {
    await admin.locator(`[data-station="${station}"][data-state="ok"]`).waitFor(WAIT)
  }
  await admin.getByTestId('connection').first().waitFor(WAIT)
  const granix = await signedInPage(browser, endpoints, 'admin@granix.example')
  await granix.goto(`/gateways/${thingName}`)
  await granix.getByTestId('not-found').waitFor(WAIT)
  await granix.context().close()

  await admin.getByText('Certificado hasta').waitFor(WAIT)
  expect(await admin.getByTestId('certificate-trouble').count()).toBe(0)
  await expireCertificate(Date.now() + 29 * 86_400_000)
  await admin.getByTestId('certificate-trouble').waitFor(WAIT)

  await admin.getByTestId('gateway-rotate').click()
  await admin.getByTestId('confirm').click()
  await admin.getByTestId('toast').first().waitFor(WAIT)
  await admin.getByTestId('gateway-revoke').click()
  await admin.getByText('hasta 8 minutos').first().waitFor(WAIT)
  await admin.getByTestId('confirm').click()
  // Revoked, it is offered a new enrolment, in a bundle too.
  const downloading = admin.waitForEvent('download')
  await admin.getByTestId('gateway-bundle').click(WAIT)
  await admin.getByTestId('confirm').click()
  expect(
    readFileSync(await (await downloading).path())
      .subarray(0, 2)
      .toString(),
  ).toBe('PK')
}, 120_000)

it('says so when a part of it cannot be loaded, and goes on with what a newer build has in its place', async () => {
  const context = await browser.newContext({ baseURL: endpoints.web.url, locale: 'es-AR' })
  const page = await context.newPage()
  await page.route('**/assets/SignInView*.js', (route) => route.abort())
  await page.goto('/sign-in')
  await page.getByText('La página no pudo iniciar').waitFor(WAIT)
  await page.unroute('**/assets/SignInView*.js')
  await page.getByRole('button').click()
  await page.getByTestId('email').waitFor(WAIT)
  await context.close()

  await admin.goto('/')
  await admin.getByTestId('plant').first().waitFor(WAIT)
  await admin.route('**/assets/admin-pages*.js', (route) => route.fulfill({ status: 403 }), { times: 1 })
  await admin.getByRole('link', { name: 'Administración' }).click()
  await admin.waitForURL(/\/admin\//)
  await admin.locator('h1').waitFor(WAIT)
}, 60_000)

it('offers each role what it may do, and tells the others so', async () => {
  for (const [email, offered, refused] of [
    ['viewer@granix.example', 0, '/admin/users'],
    ['operator@granix.example', 0, '/admin/machines'],
    ['manager@granix.example', 1, '/admin/dead-letters'],
    ['admin@granix.example', 1, undefined],
  ] as const) {
    const page = await signedInPage(browser, endpoints, email, { locale: 'en-GB' })
    await page.getByTestId('plant').first().waitFor(WAIT)
    expect(await page.getByRole('link', { name: 'Administration' }).count(), email).toBe(offered)
    if (refused !== undefined) {
      await page.goto(refused)
      await page.getByTestId('no-permission-page').waitFor(WAIT)
    }
    await page.context().close()
  }
}, 120_000)

it('a person comes in by the link of an invitation, once, and asks for another as anybody might', async () => {
  const email = 'nadia@norpan.example'
  await admin.goto('/admin/users')
  await admin.getByTestId('invite').click()
  await admin.getByTestId('invite-email').fill(email)
  await admin.getByTestId('confirm').click()
  const link = (await admin.getByTestId('copy-text').textContent(WAIT))!

  const context = await browser.newContext({ baseURL: endpoints.web.url, locale: 'es-AR' })
  const page = await context.newPage()
  await page.goto(link)
  await page.getByTestId('password-of').getByText(email).waitFor(WAIT)
  expect((await axe(page).analyze()).violations).toEqual([])
  await page.getByTestId('new-password').fill('short')
  await page.getByTestId('set-password').click()
  await page.getByTestId('new-password-error').getByText('más larga').waitFor(WAIT)
  await page.getByTestId('new-password').fill('una contraseña larga')
  await page.getByTestId('set-password').click()
  await page.getByTestId('plant').first().waitFor(WAIT)

  const stranger = await browser.newContext({ baseURL: endpoints.web.url, locale: 'es-AR' })
  const another = await stranger.newPage()
  await another.goto(link)
  await another.getByTestId('new-password-error').getByText('ya se usó').waitFor(WAIT)
  await another.getByRole('link', { name: 'Pedir otro enlace' }).click()
  // Whether there is such an account is not told.
  for (const asked of [email, 'nobody@norpan.example']) {
    await another.getByTestId('email').fill(asked)
    await another.getByTestId('sign-in').click()
    await another.getByTestId('reset-sent').getByText(asked).waitFor(WAIT)
    expect(await another.getByTestId('sign-in-error').count()).toBe(0)
  }
  await context.close()
  await stranger.close()
}, 90_000)

const PAGES = [
  '/',
  `/plants/${PLANT}`,
  `/plants/${PLANT}?view=table`,
  `/plants/${PLANT}/machines/bomba-7`,
  `/plants/${PLANT}/machines/bomba-7?tab=events`,
  `/plants/${PLANT}/machines/bomba-7?tab=completeness`,
  '/gateways',
  '/alarms',
  '/alarms?tab=rules',
  '/alarms?tab=webhooks',
  '/guide',
  '/admin/onboarding',
  '/admin/plants',
  '/admin/machines',
  '/admin/users',
  '/admin/dead-letters',
  '/admin/audit',
  '/profile',
  '/no-such-page',
]
const LOOKS: Record<string, BrowserContextOptions> = {
  'wide and light': { viewport: { width: 1440, height: 900 }, colorScheme: 'light' },
  'narrow and dark, in English': { viewport: { width: 390, height: 844 }, colorScheme: 'dark', locale: 'en-GB' },
}
it.concurrent.each(Object.entries(LOOKS))(
  'has no page that hinders anybody: %s',
  async (_name, look) => {
    const page = await signedInPage(browser, endpoints, ADMIN, look)
    const found: string[] = []
    for (const path of [...PAGES, `/gateways/${thingName}`]) {
      await page.goto(path)
      await page.locator('h1').first().waitFor(WAIT)
      await page
        .locator('.skeleton')
        .first()
        .waitFor({ state: 'detached', ...WAIT })
      const { violations } = await axe(page).analyze()
      for (const { id, nodes } of violations) found.push(`${path}: ${id} (${nodes.map(({ html }) => html).join(' ')})`)
      const overflow = await page
        .locator('html')
        .evaluate(
          ({ scrollWidth, clientWidth }: { scrollWidth: number; clientWidth: number }) => scrollWidth - clientWidth,
        )
      if (overflow > 0) found.push(`${path}: ${overflow} px wider than the screen`)
    }
    await page.goto('/admin/users')
    await page.getByTestId('invite').click()
    await page.getByTestId('dialog').waitFor(WAIT)
    const { violations } = await axe(page).analyze()
    for (const { id, nodes } of violations) found.push(`dialog: ${id} (${nodes.map(({ html }) => html).join(' ')})`)
    expect(found).toEqual([])
    await page.context().close()
  },
  180_000,
)
