/** A register above its limit to the alarm on the plant's page, with 20 machines at 1 message/s beside it, profile live. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { startLocalCloud } from '../../local/cloud.ts'
import { signIn } from '../helpers/api-client.ts'
import { launchChromium } from '../helpers/chromium.ts'
import { enrolGateway } from '../helpers/gateway-process.ts'
import { startPlc } from '../helpers/plc.ts'
import { signedInPage } from '../helpers/signed-in-page.ts'
import { type Figure, percentile } from './figure.ts'

const ALARMS = 100
const LIMIT = 50

export async function benchAlarmLatency(): Promise<Figure> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-alarm-latency-'))
  const cloud = await startLocalCloud({ rootDir: join(folder, 'local'), demo: false, anyPorts: true })
  const plc = await startPlc()
  const browser = await launchChromium()
  try {
    const { email } = cloud.endpoints.users.find(({ tenant, role }) => tenant === 'granix' && role === 'admin')!
    const api = await signIn(cloud.endpoints, email)
    await api.post('/alarm-rules', {
      ...{ name: 'hot', machine: 'probe', tag: 't*', severity: 'high' },
      condition: { kind: 'above', limit: LIMIT },
    })
    const register = (n: number) => 200 + n
    for (let n = 0; n < ALARMS; n += 1) plc.holding.set(register(n), 0)
    const tags = Array.from(
      { length: ALARMS },
      (_, n) => `      t${n}: { address: "holding:${register(n)}", type: uint16 }`,
    )
    const crowd = Array.from(
      { length: 20 },
      (_, n) =>
        `  - { slug: crowd-${n}, device: plc-1, intervalMs: 1000, tags: { a: { address: "holding:${10 + n}", type: uint16 } } }`,
    )
    const gateway = await enrolGateway(cloud.endpoints, {
      ...{ tenant: 'granix', plant: 'planta-baradero', folder },
      devices: `  - { name: plc-1, driver: modbus-tcp, host: 127.0.0.1, port: ${plc.port}, unitId: 1 }`,
      machines: [
        `  - slug: probe\n    device: plc-1\n    intervalMs: 100\n    tags:\n${tags.join('\n')}`,
        ...crowd,
      ].join('\n'),
    })
    const agent = gateway.start()
    let clock = 0
    const moving = setInterval(() => {
      clock += 1
      for (let n = 0; n < 20; n += 1) plc.holding.set(10 + n, clock % 65_536)
    }, 500)
    const page = await signedInPage(browser, cloud.endpoints, email)
    await page.locator('[data-plant="planta-baradero"]').click()
    await page.locator('[data-machine="probe"]').waitFor({ timeout: 60_000 })
    const delays: number[] = []
    for (let n = 0; n < ALARMS; n += 1) {
      // Watched inside the page, so that the watching costs nothing.
      const seen = page.evaluate<number>(`new Promise((resolve) => {
        const look = () => {
          if (document.querySelector('main [data-alarms]')?.dataset.alarms !== '${n + 1}') return
          observer.disconnect()
          requestAnimationFrame(() => setTimeout(() => resolve(Date.now())))
        }
        const observer = new MutationObserver(look)
        observer.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true })
        look()
      })`)
      const raisedAt = Date.now()
      plc.holding.set(register(n), LIMIT + 1)
      delays.push((await seen) - raisedAt)
      // A step that is no multiple of the poll's, so that changes fall anywhere in its cycle.
      await wait(137)
    }
    clearInterval(moving)
    agent.kill('SIGKILL')
    return {
      what: 'value above its limit to alarm on the page, profile live, poll 100 ms, 20 machines at 1 message/s beside it',
      measured: `p95 ${percentile(delays, 95).toFixed(0)} ms, median ${percentile(delays, 50).toFixed(0)} ms of ${ALARMS} alarms`,
      toReach: 'p95 at most 600 ms',
      reached: percentile(delays, 95) <= 600,
    }
  } finally {
    await browser.close()
    await plc.stop()
    await cloud.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
