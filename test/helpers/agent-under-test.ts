import { spawn, type ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bundleAgent } from '../../gateway-agent/build.ts'
import { LEAN_V8 } from '../../gateway-agent/src/lean.ts'
import { createAuthority, validForAYear } from '../unit/gateway-agent/test-authority.ts'
import { startBroker, type TestBroker } from '../unit/gateway-agent/test-broker.ts'
import { startCloud } from '../unit/gateway-agent/test-cloud.ts'
import { keepIdentity, testIdentity } from '../unit/gateway-agent/test-identity.ts'
import { startPlc, type TestPlc } from './plc.ts'
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'

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
    testIdentity(authority, line.port, apiUrl, validForAYear()),
  )
  keepIdentity(folder, identity)
  const program = bundleAgent(join(folder, 'program'), { selfContained: false })
  let child: ChildProcess | undefined
  return {
    ...{ plc, broker, line, configFile },
    start: () =>
      (child = spawn(process.execPath, [...LEAN_V8, program, 'run', '--config', configFile], { stdio: 'ignore' })),
    async stop() {
      child?.kill('SIGKILL')
      await line.stop()
      await broker.stop()
      await cloud.stop()
      await plc.stop()
    },
  }
}
