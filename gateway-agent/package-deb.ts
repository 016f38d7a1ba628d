/**
 * `npm run agent:deb [-- DIRECTORY]`: the Debian packages for amd64 and arm64, with their own Node, as plants have older
 * ones or none.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, globSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import packageJson from '../package.json' with { type: 'json' }
import { bundleAgent } from './build.ts'

/** Debian's names of the processors -> Node's. */
const ARCHITECTURES = { amd64: 'x64', arm64: 'arm64' }
type Architecture = keyof typeof ARCHITECTURES

const here = import.meta.dirname
const LIBRARY = 'usr/lib/gateway-agent'
const DOCUMENTATION = 'usr/share/doc/gateway-agent'

/** Lays the package's files out in `root`, but for Node itself. */
export function layOut(root: string, architecture: Architecture): void {
  for (const folder of ['DEBIAN', 'usr/bin', LIBRARY, DOCUMENTATION, 'usr/lib/systemd/system']) {
    mkdirSync(join(root, folder), { recursive: true })
  }
  bundleAgent(join(root, LIBRARY), { selfContained: true })
  const prebuilds = join(root, LIBRARY, 'prebuilds')
  for (const name of readdirSync(prebuilds)) {
    if (name !== `linux-${ARCHITECTURES[architecture]}`) rmSync(join(prebuilds, name), { recursive: true })
  }
  cpSync(join(here, 'gateway-agent.service'), join(root, 'usr/lib/systemd/system/gateway-agent.service'))
  cpSync(join(here, 'debian/gateway-agent'), join(root, 'usr/bin/gateway-agent'))
  chmodSync(join(root, 'usr/bin/gateway-agent'), 0o755)
  for (const script of ['postinst', 'prerm', 'postrm']) {
    cpSync(join(here, 'debian', script), join(root, 'DEBIAN', script))
    chmodSync(join(root, 'DEBIAN', script), 0o755)
  }
  cpSync(join(here, 'debian/config.example.yaml'), join(root, DOCUMENTATION, 'config.example.yaml'))
  cpSync(join(here, '../docs/gateway.md'), join(root, DOCUMENTATION, 'gateway.md'))
  const schema = 'gateway-configuration.schema.json'
  cpSync(join(here, '../schemas/json', schema), join(root, DOCUMENTATION, schema))
  writeFileSync(
    join(root, 'DEBIAN/control'),
    `Package: gateway-agent
Version: ${packageJson.version}
Architecture: ${architecture}
Maintainer: IoT Telemetry platform team <platform@example.com>
Depends: libc6 (>= 2.28), libstdc++6, systemd, passwd, util-linux
Section: net
Priority: optional
Description: reads PLCs and publishes what it has read over MQTT
 Stores each reading on disk before it is sent, and sends it again until the cloud has it.
`,
  )
}

/** Node for that processor, of the version that the repository pins, with its licence. */
function addNode(root: string, architecture: Architecture): void {
  const folder = mkdtempSync(join(tmpdir(), 'node-'))
  try {
    const name = `node-linux-${ARCHITECTURES[architecture]}@${packageJson.devDependencies.node}`
    execFileSync('npm', ['pack', '--silent', '--pack-destination', folder, name], { stdio: 'inherit' })
    execFileSync('tar', ['-xzf', ...globSync(join(folder, '*.tgz')), '-C', folder])
    cpSync(join(folder, 'package/bin/node'), join(root, LIBRARY, 'node'))
    chmodSync(join(root, LIBRARY, 'node'), 0o755)
    cpSync(join(folder, 'package/LICENSE'), join(root, DOCUMENTATION, 'copyright'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function buildPackage(architecture: Architecture, directory: string): void {
  const root = mkdtempSync(join(tmpdir(), 'gateway-agent-deb-'))
  chmodSync(root, 0o755)
  try {
    layOut(root, architecture)
    addNode(root, architecture)
    const file = join(resolve(directory), `gateway-agent_${packageJson.version}_${architecture}.deb`)
    execFileSync('dpkg-deb', ['--build', '--root-owner-group', '-Zxz', root, file], { stdio: 'inherit' })
  } finally {
    rmSync(root, { recursive: true })
  }
}

if (import.meta.main) {
  const { positionals } = parseArgs({ allowPositionals: true })
  const [directory = '.'] = positionals
  mkdirSync(directory, { recursive: true })
  for (const architecture of Object.keys(ARCHITECTURES) as Architecture[]) buildPackage(architecture, directory)
}
