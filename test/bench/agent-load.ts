/** What the agent costs beside PLCs of a plant's size: memory, a core's share, and whether it keeps its cadence. */
import { spawn } from 'node:child_process'
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { DataType } from 'node-opcua'
import { startOpcUaPlc } from '../helpers/opcua-plc.ts'
import { createAuthority, validForAYear } from '../unit/gateway-agent/test-authority.ts'
import { startBroker } from '../unit/gateway-agent/test-broker.ts'
import { startCloud } from '../unit/gateway-agent/test-cloud.ts'
import { keepIdentity, testIdentity } from '../unit/gateway-agent/test-identity.ts'
import type { Figure } from './figure.ts'
import { usageOf } from './process-usage.ts'

const MAIN = join(import.meta.dirname, '../../gateway-agent/src/main.ts')
const WARM_UP_MS = 15_000
const MEASURE_MS = 60_000

export async function benchModbus(): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const [tags, deviceCount, rssMb, cpu] of [
    [10, 1, 72, 3],
    [5000, 10, 95, 25],
    [10_000, 10, 120, 40],
  ] as const) {
    const servers = await Promise.all(Array.from({ length: deviceCount }, startRegisters))
    const perDevice = tags / deviceCount
    const devices = servers.map(
      ({ port }, n) => `  - { name: plc-${n}, driver: modbus-tcp, host: 127.0.0.1, port: ${port} }`,
    )
    const machines = servers.map((_, n) =>
      machineOf(`machine-${n}`, `plc-${n}`, perDevice, (index) => `"holding:${index}"`),
    )
    const load = await measure(devices, machines)
    for (const { stop } of servers) stop()
    figures.push({
      what: `Modbus TCP, ${tags} tags at 1 s from ${deviceCount} devices, to the broker`,
      measured: told(load),
      toReach: `no overrun, at most ${rssMb} MB RSS, ${cpu} % of one core`,
      reached: load.overruns === 0 && load.rssMb <= rssMb && load.cpu <= cpu && load.tagsPerSecond > tags * 0.95,
    })
  }
  return figures
}

export async function benchOpcUa(): Promise<Figure> {
  const server = await startOpcUaPlc()
  const names = Array.from({ length: 1000 }, (_, n) => `item-${n}`)
  const change = () => {
    for (const name of names) server.set(name, DataType.Double, Math.random())
  }
  change()
  const changing = setInterval(change, 1000)
  const load = await measure(
    [`  - { name: plc, driver: opcua, endpoint: "${server.endpoint}", securityMode: None }`],
    [machineOf('machine', 'plc', names.length, (index) => `"ns=1;s=${names[index]!}"`)],
  )
  clearInterval(changing)
  await server.stop()
  return {
    what: 'OPC UA, 1,000 items subscribed at 1 s, to the broker',
    measured: told(load),
    toReach: 'at most 165 MB RSS',
    reached: load.rssMb <= 165 && load.tagsPerSecond > 950,
  }
}

interface Load {
  rssMb: number
  cpu: number
  overruns: number
  tagsPerSecond: number
}

const told = ({ rssMb, cpu, overruns, tagsPerSecond }: Load) =>
  `${rssMb.toFixed(0)} MB RSS, ${cpu.toFixed(1)} % of one core, ${overruns} overruns told, ${tagsPerSecond.toFixed(0)} values/s at the broker`

const machineOf = (slug: string, device: string, tags: number, address: (index: number) => string) =>
  [`  - slug: ${slug}`, `    device: ${device}`, '    tags:']
    .concat(Array.from({ length: tags }, (_, n) => `      t${n}: { address: ${address(n)} }`))
    .join('\n')

/** The agent as `run` starts it, with a broker of the bench's own. */
async function measure(devices: string[], machines: string[]): Promise<Load> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-agent-'))
  const authority = await createAuthority()
  const broker = await startBroker(authority)
  const { cloud, identity } = await startCloud(authority, broker, (apiUrl) =>
    testIdentity(authority, broker.port, apiUrl, validForAYear()),
  )
  keepIdentity(folder, identity)
  const config = join(folder, 'config.yaml')
  writeFileSync(
    config,
    ['version: 1', 'dataDir: data', 'devices:', ...devices, 'machines:', ...machines, ''].join('\n'),
  )
  const log = join(folder, 'log')
  const out = openSync(log, 'w')
  const agent = spawn(process.execPath, [MAIN, 'run', '--config', config], { stdio: ['ignore', out, out] })
  try {
    await wait(WARM_UP_MS)
    const before = usageOf([agent.pid!])
    broker.received.length = 0
    const overrunsBefore = overrunsIn(log)
    await wait(MEASURE_MS)
    const after = usageOf([agent.pid!])
    const values = broker.received
      .filter(({ topic }) => topic.endsWith('/telemetry'))
      .map(({ payload }) => Object.keys((JSON.parse(payload) as { values: object }).values).length)
      .reduce((sum, count) => sum + count, 0)
    return {
      rssMb: after.rssMb,
      cpu: (100 * (after.cpuMs - before.cpuMs)) / MEASURE_MS,
      overruns: overrunsIn(log) - overrunsBefore,
      tagsPerSecond: (1000 * values) / MEASURE_MS,
    }
  } finally {
    agent.kill('SIGKILL')
    await broker.stop()
    await cloud.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

const overrunsIn = (log: string) => readFileSync(log, 'utf8').split('cycles skipped').length - 1

/** A Modbus TCP server that costs nothing: all holding registers count up together. */
async function startRegisters(): Promise<{ port: number; stop: () => void }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (request) => {
      const bytes = request.readUInt16BE(10) * 2
      const answer = Buffer.alloc(9 + bytes)
      request.copy(answer, 0, 0, 8)
      answer.writeUInt16BE(3 + bytes, 4)
      answer.writeUInt8(bytes, 8)
      const count = Math.floor(Date.now() / 500) % 65_536
      for (let at = 9; at < answer.length; at += 2) answer.writeUInt16BE(count, at)
      socket.write(answer)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port, stop: () => server.close() }
}
