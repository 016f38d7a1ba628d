/** One demo gateway: the real agent, enrolled through the real API by its own command, then running as a process. */
import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { stringify } from 'yaml'
import type { Endpoints } from '../endpoints.ts'
import { gatewayPidFile } from '../leftovers.ts'
import type { Lifetime } from '../lifetime.ts'
import { end, remember } from '../processes.ts'
import type { ApiSession } from './api-session.ts'
import type { DemoPlant } from './companies.ts'
import { enrol } from './enrolment.ts'
import { signalsOf } from './machine-kinds.ts'
import { MACHINE_STRIDE } from './plc.ts'

export interface GatewayOptions {
  repository: string
  rootDir: string
  plant: DemoPlant
  tenant: string
  plcPort: number
  mqttPort: number
  /** Signs in as the tenant's admin; only the first start needs it. */
  session: () => Promise<ApiSession>
}

export async function startGateway(
  lifetime: Lifetime,
  options: GatewayOptions,
): Promise<Endpoints['gateways'][number]> {
  const { repository, rootDir, plant, tenant } = options
  const folder = join(rootDir, 'gateways', plant.thingName)
  const dataDir = join(folder, 'data')
  const configFile = join(folder, 'gateway.yaml')
  const pidFile = gatewayPidFile(folder)
  const agent = join(repository, 'gateway-agent/src/main.ts')
  const identity = join(dataDir, 'identity')
  mkdirSync(dataDir, { recursive: true })
  // Written at each start: ports may differ from the last one.
  writeFileSync(configFile, stringify(configuration(plant, dataDir, options)))
  if (!existsSync(join(identity, 'identity.json'))) {
    const session = await options.session()
    await enrol({
      ...{ folder, agent, configFile, session, signal: lifetime.signal },
      thingName: plant.thingName,
      plantId: session.plantIds.get(plant.slug),
    })
  }
  const log = openSync(join(rootDir, 'logs', `${plant.thingName}.log`), 'a')
  // Detached: Ctrl-C in the terminal must reach it only when its turn to stop has come.
  const child = spawn(process.execPath, [agent, 'run', '--config', configFile], {
    detached: true,
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  const pid = child.pid
  if (pid === undefined) throw new Error(`The agent ${plant.thingName} could not be started`)
  remember(pidFile, pid)
  await lifetime.own(plant.thingName, pid, () => end(pid, 'SIGTERM'))
  return {
    thingName: plant.thingName,
    tenant,
    province: plant.province,
    plant: plant.slug,
    certFile: relative(repository, join(identity, 'certificate.pem')),
    keyFile: relative(repository, join(identity, 'private-key.pem')),
    pid,
    configFile: relative(repository, configFile),
    machines: plant.machines.map((machine) => machine.slug),
  }
}

function configuration(plant: DemoPlant, dataDir: string, { plcPort, mqttPort }: GatewayOptions) {
  return {
    version: 1,
    dataDir,
    mqtt: { port: mqttPort },
    buffer: { maxMegabytes: 64 },
    devices: [{ name: 'plc-1', driver: 'modbus-tcp', host: '127.0.0.1', port: plcPort, unitId: 1 }],
    machines: plant.machines.map(({ slug, kind }, index) => ({
      slug,
      device: 'plc-1',
      intervalMs: 1000,
      tags: Object.fromEntries(
        signalsOf(kind).map(([tag, { table, offset, type, scale, unit, deadband }]) => [
          tag,
          { address: `${table}:${index * MACHINE_STRIDE + offset}`, type, scale, unit, deadband },
        ]),
      ),
    })),
  }
}
