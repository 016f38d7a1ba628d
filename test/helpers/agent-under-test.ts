import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { bundleAgent } from '../../gateway-agent/build.ts'
import type { OnlineStatusV1 } from '../../schemas/status.ts'
import type { TelemetryV1 } from '../../schemas/telemetry.ts'
import { createAuthority } from '../unit/gateway-agent/test-authority.ts'
import { startBroker, type TestBroker } from '../unit/gateway-agent/test-broker.ts'
import { startCloud } from '../unit/gateway-agent/test-cloud.ts'
import { keepIdentity, STATUS_TOPIC, testIdentity } from '../unit/gateway-agent/test-identity.ts'
import { waitFor } from '../unit/gateway-agent/wait-for.ts'
import { startPlc, type TestPlc } from './plc.ts'
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'

/** A certificate that need not be replaced while the agent is measured: that costs memory. */
const YEAR_MS = 365 * 86_400_000

/** The bundled agent, as a gateway runs it, between a PLC and a broker of the test's own, on a line that can be cut. */
export interface AgentUnderTest {
  plc: TestPlc
  broker: TestBroker
  line: TcpProxy
  configFile: string
  start: () => ChildProcess
  stop: () => Promise<void>
}

/** `machines`: YAML of a configuration on the device plc-1. */
export async function prepareAgent(folder: string, machines: string): Promise<AgentUnderTest> {
  const authority = await createAuthority()
  const broker = await startBroker(authority)
  const line = await startTcpProxy({ host: '127.0.0.1', port: broker.port })
  const plc = await startPlc()
  const configFile = join(folder, 'config.yaml')
  writeFileSync(
    configFile,
    `version: 1
dataDir: data
devices: [{ name: plc-1, driver: modbus-tcp, host: 127.0.0.1, port: ${plc.port} }]
machines:
${machines}
`,
  )
  const { cloud, identity } = await startCloud(authority, broker, (apiUrl) =>
    testIdentity(authority, line.port, apiUrl, { notBefore: new Date(), notAfter: new Date(Date.now() + YEAR_MS) }),
  )
  keepIdentity(folder, identity)
  const program = bundleAgent(join(folder, 'program'), { selfContained: false })
  // The options of the systemd unit.
  const lean = ['--lite-mode', '--max-semi-space-size=1']
  let child: ChildProcess | undefined
  return {
    ...{ plc, broker, line, configFile },
    start: () =>
      (child = spawn(process.execPath, [...lean, program, 'run', '--config', configFile], { stdio: 'ignore' })),
    async stop() {
      child?.kill('SIGKILL')
      await line.stop()
      await broker.stop()
      await cloud.stop()
      await plc.stop()
    },
  }
}

export interface KillVerdict {
  kills: number
  messages: number
  /** Messages that the broker was sent more than once, with the same content. */
  repeats: number
  /** What must not be: in words, empty when all is well. */
  faults: string[]
}

/**
 * Kills the agent with SIGKILL at random instants while a register of the PLC counts up and the line is cut now and then.
 * Judges at the end what the broker got: every seq that was ever allocated, each with one content, values in the order of
 * the counting, none that the PLC never held.
 */
export async function killOften(agent: AgentUnderTest, kills: number, machine: string): Promise<KillVerdict> {
  let counter = 0
  const counting = setInterval(() => agent.plc.holding.set(1, (counter += 1)), 7)
  let child = agent.start()
  for (let kill = 1; kill <= kills; kill += 1) {
    await sleep(200 + Math.random() * 1500)
    if (kill % 3 === 0) agent.line.cut()
    await sleep(Math.random() * 300)
    child.kill('SIGKILL')
    await once(child, 'close')
    agent.line.mend()
    child = agent.start()
  }
  const lastStatus = () => {
    const status = agent.broker.received.findLast(({ topic }) => topic === STATUS_TOPIC)
    return status && (JSON.parse(status.payload) as OnlineStatusV1)
  }
  // Without a PLC there is nothing new to read, and the outbox can become empty.
  await agent.plc.stop()
  await waitFor(
    'the last start to have sent all',
    () => lastStatus()?.ledger?.[machine]?.pending?.length === 0,
    120_000,
  )
  child.kill('SIGTERM')
  await once(child, 'close')
  clearInterval(counting)
  const { ledger } = JSON.parse(
    agent.broker.received.findLast(({ topic, payload }) => topic === STATUS_TOPIC && payload.includes('"ledger"'))!
      .payload,
  ) as OnlineStatusV1
  return judge(agent, machine, ledger![machine]!, counter, kills)
}

function judge(
  { broker }: AgentUnderTest,
  machine: string,
  { first, last }: { first: number; last: number },
  highest: number,
  kills: number,
): KillVerdict {
  const payloads = broker.received
    .filter(({ topic }) => topic.endsWith(`/${machine}/telemetry`))
    .map((each) => each.payload)
  const bySeq = new Map<number, string>()
  const faults: string[] = []
  for (const payload of payloads) {
    const { seq } = JSON.parse(payload) as TelemetryV1
    const other = bySeq.get(seq)
    if (other !== undefined && other !== payload) faults.push(`seq ${seq} came as ${other} and as ${payload}`)
    bySeq.set(seq, payload)
  }
  let before = 0
  for (let seq = first; seq <= Math.max(last, ...bySeq.keys()); seq += 1) {
    const payload = bySeq.get(seq)
    if (payload === undefined) {
      if (seq <= last) faults.push(`seq ${seq} of ${first} to ${last} never came`)
      continue
    }
    const { values } = JSON.parse(payload) as TelemetryV1
    if (values.count === null) continue
    const count = Number(values.count)
    if (count < before || count > highest) faults.push(`seq ${seq} says ${count}, after ${before} and of ${highest}`)
    before = count
  }
  if (Math.min(...bySeq.keys()) < first) faults.push(`a seq below ${first} came`)
  return { kills, messages: bySeq.size, repeats: payloads.length - bySeq.size, faults }
}
