import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { startPlc, type TestPlc } from '../../helpers/plc.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { createAuthority, type Validity } from './test-authority.ts'
import { startBroker, type TestBroker } from './test-broker.ts'
import { startCloud, type TestCloud } from './test-cloud.ts'
import { keepIdentity, testIdentity } from './test-identity.ts'

const MAIN = join(import.meta.dirname, '../../../gateway-agent/src/main.ts')

export interface Outcome {
  code: number
  stdout: string
  stderr: string
}

/** Runs one command of the agent to its end. */
export function agent(...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
    })
  })
}

export interface RunningAgent {
  folder: string
  config: string
  broker: TestBroker
  cloud: TestCloud
  plc: TestPlc
  /** What it has written, both streams. */
  output: () => string
  process: ChildProcess
  /** Starts it once more, after its end. */
  start: () => void
  /** Another command on the same configuration. */
  command: (...args: string[]) => Promise<Outcome>
  configure: (text: string) => void
  stop: () => Promise<void>
}

/** An enrolled agent in a process of its own, with a PLC and a broker; `configuration` is given the PLC's port. */
export async function startAgent(
  configuration: (plcPort: number) => string,
  options: { env?: NodeJS.ProcessEnv; validity?: Validity } = {},
): Promise<RunningAgent> {
  const authority = await createAuthority()
  const broker = await startBroker(authority)
  const plc = await startPlc()
  const folder = temporaryFolder()
  const config = join(folder, 'config.yaml')
  const configure = (text: string) => writeFileSync(config, text)
  configure(configuration(plc.port))
  const { cloud, identity } = await startCloud(authority, broker, (apiUrl) =>
    testIdentity(authority, broker.port, apiUrl, options.validity),
  )
  keepIdentity(folder, identity)
  let output = ''
  const start = () => {
    const child = spawn(process.execPath, [MAIN, 'run', '--config', config], {
      env: { ...process.env, ...options.env },
    })
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
    return child
  }
  const running: RunningAgent = {
    ...{ folder, config, broker, cloud, plc, configure },
    process: start(),
    start: () => (running.process = start()),
    output: () => output,
    command: (...args) => agent(...args, '--config', config),
    async stop() {
      const child = running.process
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'close')
    },
  }
  onTestFinished(async () => {
    running.process.kill('SIGKILL')
    await broker.stop()
    await cloud.stop()
    await plc.stop()
  })
  return running
}
