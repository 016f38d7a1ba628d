import { execFile } from 'node:child_process'
import { copyFileSync, globSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { DataType } from 'node-opcua'
import { expect, it, onTestFinished } from 'vitest'
import { bundleAgent } from '../../../gateway-agent/build.ts'
import { layOut } from '../../../gateway-agent/package-deb.ts'
import { startOpcUaPlc } from '../../helpers/opcua-plc.ts'
import { startSerialPlc } from '../../helpers/serial-plc.ts'
import { temporaryFolder } from './temporary-folder.ts'

it('the bundled agent reads a serial line and OPC UA with nothing but Node', { timeout: 60_000 }, async () => {
  const folder = temporaryFolder()
  const program = bundleAgent(join(folder, 'program'), { selfContained: true })
  const [meter, robot] = await Promise.all([startSerialPlc(), startOpcUaPlc()])
  onTestFinished(async () => {
    await Promise.all([meter.stop(), robot.stop()])
  })
  robot.set('angle', DataType.Double, 12.5)
  const config = join(folder, 'config.yaml')
  writeFileSync(
    config,
    `version: 1
dataDir: data
devices:
  - { name: meter, driver: modbus-rtu, path: ${meter.path}, baudRate: 115200, parity: none }
  - { name: robot, driver: opcua, endpoint: "${robot.endpoint}", securityMode: None }
machines:
  - { slug: cell-1, device: meter, tags: { energy: { address: "holding:42" }, angle: { address: "ns=1;s=angle", device: robot } } }
`,
  )
  const { stdout } = await promisify(execFile)(process.execPath, [program, 'read', '--config', config], { cwd: '/' })
  expect(stdout).toBe('cell-1  energy  holding:42    42    good\ncell-1  angle   ns=1;s=angle  12.5  good\n')
})

it('the Debian package has the licence of every package inside in its own words, and no other processor’s code', () => {
  const root = temporaryFolder()
  layOut(root, 'arm64')
  const folder = join(root, 'usr/lib/gateway-agent')
  expect(readdirSync(join(folder, 'prebuilds'))).toEqual(['linux-arm64'])
  const native = globSync(join(folder, 'prebuilds/linux-arm64/*.glibc.node')).map((file) => readFileSync(file))
  // ELF, 64 bits; e_machine 183 is AArch64.
  expect(native.map((file) => [file.subarray(1, 5).toString('latin1'), file.readUInt16LE(18)])).toEqual([
    ['ELF\x02', 183],
  ])
  expect(readFileSync(join(root, 'DEBIAN/control'), 'utf8')).toContain('Architecture: arm64\n')
  const packages = readFileSync(join(folder, 'THIRD-PARTY-LICENCES.txt'), 'utf8').split(/^-{80}$/m)
  expect(packages.length).toBeGreaterThan(100)
  expect(packages.filter((text) => !/licen[cs]e|copyright|MIT/i.test(text.split('\n').slice(2).join('\n')))).toEqual([])
})

it.each([true, false])(
  'a driver’s library is loaded only with the driver (self-contained: %s)',
  { timeout: 60_000 },
  (selfContained) => {
    const folder = dirname(bundleAgent(join(temporaryFolder(), 'program'), { selfContained }))
    const names = readdirSync(folder).filter((name) => name.endsWith('.mjs'))
    const texts = new Map(names.map((name) => [name, readFileSync(join(folder, name), 'utf8')]))
    /** All that is loaded with a file: what it imports, and what that imports. */
    const loadedWith = (start: string) => {
      const loaded = new Set([names.find((name) => name.startsWith(start))!])
      for (const name of loaded) {
        for (const [, imported] of texts.get(name)?.matchAll(/(?:from|import)"(?:\.\/)?([^"]+)"/g) ?? [])
          loaded.add(imported!)
      }
      return [...loaded].map((name) => texts.get(name) ?? name).join('\n')
    }
    const libraries = (start: string) =>
      ['node_modules/node-opcua-client', 'OPCUAClientImpl', 'SerialPortMock'].filter((mark) =>
        loadedWith(start).includes(mark),
      )
    for (const start of ['gateway-agent', 'run-', 'modbus-', 's7-', 'simulator-']) expect(libraries(start)).toEqual([])
    expect(libraries('opcua-')).toContain(selfContained ? 'OPCUAClientImpl' : 'node_modules/node-opcua-client')
  },
)

it('as one file, the agent needs nothing beside it', { timeout: 30_000 }, async () => {
  const folder = temporaryFolder()
  const alone = join(folder, 'alone.mjs')
  copyFileSync(bundleAgent(join(folder, 'program'), { selfContained: true, asOneFile: true }), alone)
  const config = join(folder, 'config.yaml')
  writeFileSync(
    config,
    `version: 1
dataDir: data
devices: [{ name: sim, driver: simulator }]
machines: [{ slug: m-1, device: sim, tags: { a: { address: "sine?min=5&max=5.000001" } } }]
`,
  )
  const { stdout } = await promisify(execFile)(process.execPath, [alone, 'read', '--config', config], { cwd: '/' })
  expect(stdout).toMatch(/^m-1 +a +sine\S+ +5\S* +good\n$/)
})
