import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'
import { bundleAgent } from '../../../gateway-agent/build.ts'
import { startSerialPlc } from '../../helpers/serial-plc.ts'
import { temporaryFolder } from './temporary-folder.ts'

it(
  'the bundled agent reads a serial line with nothing but Node, and loads its library only then',
  { timeout: 30_000 },
  async () => {
    const folder = temporaryFolder()
    const program = bundleAgent(join(folder, 'program'))
    const plc = await startSerialPlc()
    onTestFinished(() => plc.stop())
    const config = join(folder, 'config.yaml')
    writeFileSync(
      config,
      `version: 1
dataDir: data
devices:
  - { name: meter, driver: modbus-rtu, path: ${plc.path}, baudRate: 115200, parity: none }
machines:
  - { slug: meter-1, device: meter, tags: { energy: { address: "holding:42" } } }
`,
    )
    const { stdout } = await promisify(execFile)(process.execPath, [program, 'read', '--config', config], { cwd: '/' })
    expect(stdout).toBe('meter-1  energy  holding:42  42  good\n')
    const files = readdirSync(dirname(program)).filter((name) => name.endsWith('.mjs'))
    const texts = files.map((name) => ({ name, text: readFileSync(join(dirname(program), name), 'utf8') }))
    const library = texts.find(({ text }) => text.includes('SerialPortMock'))!
    expect(texts.filter(({ text }) => text.includes(`from"./${library.name}"`))).toEqual([])
    expect(texts.filter(({ text }) => text.includes(`import("./${library.name}")`))).toHaveLength(1)
  },
)
