import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ProvidedContext } from 'vitest'
import { enrolGateway, type TestGateway } from './gateway-process.ts'
import { startPlc, type TestPlc } from './plc.ts'
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'

export interface CountingGateway extends TestGateway {
  plc: TestPlc
  /** Between the agent and the broker. */
  line: TcpProxy
  /** What the PLC's register counts, modulo 65,536: 20 a second. */
  count: () => number
  /** Starts the agent; the process before it must have ended. */
  start: () => ChildProcess
  /** Ends everything, the agent included. */
  stop: () => Promise<void>
}

/** A PLC whose register counts up, and a gateway of norpan in Rosario, enrolled through the API, on a line that can be cut. */
export async function prepareCountingGateway(
  endpoints: ProvidedContext['endpoints'],
  {
    machine,
    intervalMs,
    publishesPerSecond = 80,
  }: { machine: string; intervalMs: number; publishesPerSecond?: number },
): Promise<CountingGateway> {
  const folder = mkdtempSync(join(tmpdir(), `${machine}-`))
  const plc = await startPlc()
  let count = 0
  const counting = setInterval(() => plc.holding.set(1, (count += 1) % 65_536), 50)
  const line = await startTcpProxy(endpoints.mqtt)
  const gateway = await enrolGateway(endpoints, {
    tenant: 'norpan',
    plant: 'planta-rosario',
    folder,
    devices: `  - { name: plc-1, driver: modbus-tcp, host: 127.0.0.1, port: ${plc.port}, unitId: 1 }
mqtt: { port: ${line.port}, publishesPerSecond: ${publishesPerSecond} }`,
    machines: `  - slug: ${machine}
    device: plc-1
    intervalMs: ${intervalMs}
    tags: { count: { address: "holding:1", type: uint16 } }`,
  })
  let agent: ChildProcess | undefined
  return {
    ...gateway,
    ...{ plc, line },
    count: () => count,
    start: () => (agent = gateway.start()),
    async stop() {
      agent?.kill('SIGKILL')
      clearInterval(counting)
      await line.stop()
      await plc.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
