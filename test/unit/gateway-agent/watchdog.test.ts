import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { it, onTestFinished } from 'vitest'
import { startAgent } from './agent-process.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { waitFor } from './wait-for.ts'

const SYSTEMD = join(import.meta.dirname, '../../helpers/systemd.py')
const isPossible =
  spawnSync('systemd-notify', ['--version']).status === 0 && spawnSync('python3', ['--version']).status === 0

it.skipIf(!isPossible)(
  'tells systemd that it is ready, that it is well, and that it stops',
  { timeout: 60_000 },
  async () => {
    const path = join(temporaryFolder(), 'notify')
    const systemd = spawn('python3', [SYSTEMD, path])
    onTestFinished(() => void systemd.kill('SIGKILL'))
    let heard = ''
    systemd.stdout.on('data', (chunk: Buffer) => (heard += chunk.toString()))
    await waitFor('the socket', () => heard.includes('bound'))
    const running = await startAgent(
      (port) => `version: 1
dataDir: data
devices: [{ name: plc-1, driver: modbus-tcp, host: 127.0.0.1, port: ${port} }]
machines: [{ slug: pump-1, device: plc-1, tags: { count: { address: "holding:1" } } }]
`,
      { env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: '900000' } },
    )
    await waitFor('readiness', () => heard.includes('READY=1'), 20_000)
    await waitFor('the watchdog', () => heard.split('WATCHDOG=1').length > 3)
    await running.stop()
    await waitFor('the farewell', () => heard.includes('STOPPING=1'))
  },
)
