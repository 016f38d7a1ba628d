import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { TelemetryV1 } from '../../../schemas/telemetry.ts'
import * as v from 'valibot'
import { agent } from './agent-process.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { createAuthority } from './test-authority.ts'
import { startBroker } from './test-broker.ts'
import { keepIdentity, STATUS_TOPIC, testIdentity } from './test-identity.ts'
import { startHttpProxy } from '../../helpers/http-proxy.ts'
import { startPlc } from '../../helpers/plc.ts'
import { waitFor } from './wait-for.ts'

const MAIN = join(import.meta.dirname, '../../../gateway-agent/src/main.ts')

function configure(folder: string, port: number): string {
  const file = join(folder, 'config.yaml')
  writeFileSync(
    file,
    `version: 1
dataDir: data
devices:
  - { name: plc-1, driver: modbus-tcp, host: 127.0.0.1, port: ${port}, timeoutMs: 300 }
machines:
  - slug: pump-1
    device: plc-1
    intervalMs: 50
    tags:
      count: { address: "holding:1", unit: bar }
      missing: { address: "holding:900" }
`,
  )
  return file
}

describe('the command line', { timeout: 30_000 }, () => {
  it.each([
    [[], 'a command is missing'],
    [['start'], '"start" is not a command'],
    [['run'], 'run: --config FILE is missing'],
    [['run', '--confg', 'x'], "Unknown option '--confg'"],
    [['enroll', '--config', 'x', '--url', 'https://example.com'], 'enroll: --token is missing'],
  ])('wrong use: %j', async (args, message) => {
    const { code, stderr, stdout } = await agent(...args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(message)
    expect(stderr).toContain('usage: gateway-agent')
  })

  it('check says what is configured, run asks for the enrolment', async () => {
    const config = configure(temporaryFolder(), 1502)
    const checked = await agent('check', '--config', config)
    expect(checked.stdout).toContain(`${config}: ok: 1 devices, 1 machines, 2 tags, up to 20.0 messages/s`)
    expect(checked.code).toBe(0)
    const run = await agent('run', '--config', config)
    expect(run.stderr).toContain('this gateway is not enrolled yet; run: gateway-agent enroll')
    expect(run.code).toBe(2)
  })

  it('enroll goes through the proxy too; a used token is wrong use', async () => {
    const proxy = await startHttpProxy({ user: 'gateway', password: 'p@ss' })
    const api = createServer((_, response) => {
      response.writeHead(400).end(JSON.stringify({ status: 400, code: 'invalid_enrolment_token', detail: 'used' }))
    })
    await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve))
    onTestFinished(async () => {
      api.closeAllConnections()
      api.close()
      await proxy.stop()
    })
    const { port } = api.address() as AddressInfo
    const folder = temporaryFolder()
    const config = configure(folder, 1502)
    writeFileSync(join(folder, 'password'), 'p@ss\n')
    appendFileSync(
      config,
      `proxy: { host: 127.0.0.1, port: ${proxy.port}, user: gateway, password: { file: password } }\n`,
    )
    const args = ['--config', config, '--url', `http://127.0.0.1:${port}`, '--token', 'used-token']
    const { code, stderr } = await agent('enroll', ...args)
    expect(stderr).toContain('the token is not valid: it was used already')
    expect(code).toBe(2)
    expect(proxy.asked).toEqual([`127.0.0.1:${port}`])
  })

  it('read prints every tag once, and fails when one could not be read', async () => {
    const plc = await startPlc()
    onTestFinished(() => plc.stop())
    plc.holding.set(1, 42)
    const config = configure(temporaryFolder(), plc.port)
    expect(await agent('read', '--config', config)).toMatchObject({
      code: 0,
      stdout: 'pump-1  count    holding:1    42 bar  good\npump-1  missing  holding:900  0       good\n',
    })
    plc.missing.add(900)
    const { code, stdout } = await agent('read', '--config', config)
    expect(code).toBe(1)
    expect(stdout).toContain('bad: Modbus exception 2, illegal data address')
  })

  it('run reads and sends; kill -9 while the broker is away, and each seq arrives; SIGTERM ends it in order', async () => {
    const authority = await createAuthority()
    let broker = await startBroker(authority)
    const plc = await startPlc()
    const folder = temporaryFolder()
    const config = configure(folder, plc.port)
    keepIdentity(folder, await testIdentity(authority, broker.port))
    const start = () => spawn(process.execPath, [MAIN, 'run', '--config', config], { stdio: 'ignore' })
    const received: TelemetryV1[] = []
    const telemetry = () =>
      broker.received
        .filter(({ topic }) => topic.endsWith('/telemetry'))
        .map(({ payload }) => v.parse(TelemetryV1, JSON.parse(payload)))

    let child = start()
    onTestFinished(async () => {
      child.kill('SIGKILL')
      await broker.stop()
      await plc.stop()
    })
    await waitFor('the first readings', () => telemetry().length > 5)
    const { port } = broker
    await broker.stop()
    received.push(...telemetry())
    const asked = plc.asked
    await waitFor('readings without a broker', () => plc.asked > asked + 40)
    child.kill('SIGKILL')
    await once(child, 'close')
    broker = await startBroker(authority, port)
    child = start()
    await waitFor('the backlog', () => telemetry().length > 40)
    child.kill('SIGTERM')
    expect(await once(child, 'close')).toEqual([0, null])
    received.push(...telemetry())

    const seqs = [...new Set(received.map(({ seq }) => seq))].toSorted((a, b) => a - b)
    expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, index) => seqs[0]! + index))
    const statuses = broker.received.filter(({ topic }) => topic === STATUS_TOPIC)
    expect(JSON.parse(statuses.at(-1)!.payload)).toMatchObject({ state: 'offline', reason: 'shutdown' })
  })
})
