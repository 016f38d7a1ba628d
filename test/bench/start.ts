/**
 * A fresh clone with its packages installed: `npm start` to the first live value in a browser, then the whole system at
 * rest with its demo. The clone uses this checkout's node_modules, and Redis' binary when it was unpacked before.
 */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Endpoints } from '../../local/endpoints.ts'
import { launchChromium } from '../helpers/chromium.ts'
import { type Figure, median } from './figure.ts'
import { processTree, usageOf } from './process-usage.ts'

const root = join(import.meta.dirname, '../..')
const SETTLE_MS = 30_000
const IDLE_MS = 60_000

export async function benchStart(): Promise<Figure[]> {
  const clone = mkdtempSync(join(tmpdir(), 'bench-start-'))
  execFileSync('git', ['clone', '--quiet', root, clone])
  symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'))
  const browser = await launchChromium()
  const page = await (await browser.newContext({ locale: 'es-AR' })).newPage()

  const started = Date.now()
  const system = spawn('npm', ['start', '--silent'], {
    cwd: clone,
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true,
  })
  const exited = once(system, 'exit')
  try {
    const file = join(clone, '.local/endpoints.json')
    while (!existsSync(file)) {
      if (system.exitCode !== null) throw new Error(`npm start ended with ${system.exitCode}`)
      await wait(50)
    }
    const endpoints = JSON.parse(readFileSync(file, 'utf8')) as Endpoints
    const user = endpoints.users.find(({ tenant, role }) => tenant === 'granix' && role === 'admin')!
    await page.goto(endpoints.web.url)
    await page.getByTestId('email').fill(user.email)
    await page.getByTestId('password').fill(user.password)
    await page.getByTestId('sign-in').click()
    await page.locator('[data-plant]').first().click()
    await page.locator('[data-machine] [data-tag][data-timestamp]').first().waitFor({ timeout: 60_000 })
    const startSec = (Date.now() - started) / 1000
    await browser.close()

    await wait(SETTLE_MS)
    const pids = processTree(system.pid!).concat(
      endpoints.gateways.map(({ pid }) => pid),
      detached(clone),
    )
    const unique = [...new Set(pids)]
    const before = usageOf(unique)
    const samples: number[] = []
    const end = Date.now() + IDLE_MS
    while (Date.now() < end) {
      samples.push(usageOf(unique).rssMb)
      await wait(2000)
    }
    const cpu = (100 * (usageOf(unique).cpuMs - before.cpuMs)) / IDLE_MS
    const rssMb = median(samples)
    return [
      {
        what: 'fresh clone, installed: npm start to the first live value in a browser',
        measured: `${startSec.toFixed(1)} s`,
        toReach: '30 s or less (first ever start 60 s)',
        reached: startSec <= 30,
      },
      {
        what: 'whole local system, idle with the demo',
        measured: `${rssMb.toFixed(0)} MB RSS in ${unique.length} processes, ${cpu.toFixed(0)} % of one core`,
        toReach: 'at most 1,536 MB RSS, 30 % of one core',
        reached: rssMb <= 1536 && cpu <= 30,
      },
    ]
  } finally {
    if (browser.isConnected()) await browser.close()
    // To the whole group, as Ctrl-C in a terminal.
    process.kill(-system.pid!, 'SIGINT')
    await exited
    rmSync(clone, { recursive: true, force: true })
  }
}

/** Servers that the system starts detached (Postgres, Redis, agents), found by the folder in their command line. */
function detached(folder: string): number[] {
  const listing = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' })
  const own = listing.split('\n').filter((line) => line.includes(folder) && !line.includes(' ps -eo'))
  return own.flatMap((line) => processTree(Number(line.trim().split(' ')[0])))
}
