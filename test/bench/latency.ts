/** A register's change to the pixel, with 20 machines at 1 message/s beside it; and what the agent that reads them costs. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { startLocalCloud } from '../../local/cloud.ts'
import { launchChromium } from '../helpers/chromium.ts'
import { enrolGateway } from '../helpers/gateway-process.ts'
import { startPlc } from '../helpers/plc.ts'
import { type Figure, percentile } from './figure.ts'
import { usageOf } from './process-usage.ts'
import { shownAt } from './shown-at.ts'

const CHANGES = 100
const AGENT_MS = 60_000

export async function benchLatency(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-latency-'))
  const cloud = await startLocalCloud({ rootDir: join(folder, 'local'), demo: false, anyPorts: true })
  const plc = await startPlc()
  const browser = await launchChromium()
  const options = {
    tenant: 'granix',
    plant: 'planta-baradero',
    folder,
    devices: `  - { name: plc-1, driver: modbus-tcp, host: 127.0.0.1, port: ${plc.port}, unitId: 1 }`,
  }
  try {
    plc.holding.set(0, 0)
    const crowd = Array.from(
      { length: 20 },
      (_, n) =>
        `  - { slug: crowd-${n}, device: plc-1, intervalMs: 1000, tags: { a: { address: "holding:${10 + n}", type: uint16 } } }`,
    )
    const probe =
      '  - { slug: probe, device: plc-1, intervalMs: 100, tags: { count: { address: "holding:0", type: uint16 } } }'
    const gateway = await enrolGateway(cloud.endpoints, { ...options, machines: [probe, ...crowd].join('\n') })
    const agent = gateway.start()
    let clock = 0
    const moving = setInterval(() => {
      clock += 1
      for (let n = 0; n < 20; n += 1) plc.holding.set(10 + n, clock % 65_536)
    }, 500)

    const page = await (await browser.newContext()).newPage()
    const user = cloud.endpoints.users.find(({ tenant, role }) => tenant === 'granix' && role === 'admin')!
    await page.goto(cloud.endpoints.web.url)
    await page.getByTestId('email').fill(user.email)
    await page.getByTestId('password').fill(user.password)
    await page.getByTestId('sign-in').click()
    await page.locator('[data-plant="planta-baradero"]').click()
    await page.locator('[data-machine="probe"] [data-tag="count"]').waitFor({ timeout: 60_000 })
    const delays: number[] = []
    for (let value = 1; value <= CHANGES; value += 1) {
      const seen = shownAt(page, value)
      const changedAt = Date.now()
      plc.holding.set(0, value)
      delays.push((await seen) - changedAt)
      // A step that is no multiple of the poll's, so that changes fall anywhere in its cycle.
      await wait(137)
    }
    clearInterval(moving)
    agent.kill('SIGKILL')

    const hundred = Array.from(
      { length: 100 },
      (_, n) => `      t${n}: { address: "holding:${200 + n}", type: uint16 }`,
    )
    const bigger = await enrolGateway(cloud.endpoints, {
      ...options,
      machines: `  - slug: hundred\n    device: plc-1\n    intervalMs: 1000\n    tags:\n${hundred.join('\n')}`,
    })
    const measured = bigger.start()
    const counting = setInterval(() => {
      clock += 1
      for (let n = 0; n < 100; n += 1) plc.holding.set(200 + n, (clock + n) % 65_536)
    }, 500)
    await wait(10_000)
    const before = usageOf([measured.pid!])
    await wait(AGENT_MS)
    const after = usageOf([measured.pid!])
    clearInterval(counting)
    measured.kill('SIGKILL')
    const cpu = (100 * (after.cpuMs - before.cpuMs)) / AGENT_MS

    return [
      {
        what: 'register change to pixel, 20 machines at 1 message/s, profile live, poll 100 ms',
        measured: `p95 ${percentile(delays, 95).toFixed(0)} ms, median ${percentile(delays, 50).toFixed(0)} ms of ${CHANGES} changes`,
        toReach: 'p95 at most 500 ms',
        reached: percentile(delays, 95) <= 500,
      },
      {
        what: 'agent, 100 tags at 1 s',
        measured: `${after.rssMb.toFixed(0)} MB RSS, ${cpu.toFixed(1)} % of one core`,
        toReach: 'at most 80 MB RSS, 3 % of one core',
        reached: after.rssMb <= 80 && cpu <= 3,
      },
    ]
  } finally {
    await browser.close()
    await plc.stop()
    await cloud.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
