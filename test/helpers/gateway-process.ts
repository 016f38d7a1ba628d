import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ProvidedContext } from 'vitest'
import type { CreatedGateway, PlantPage } from '../../schemas/api.ts'
import { signIn } from './api-client.ts'

const main = join(import.meta.dirname, '../../gateway-agent/src/main.ts')
const run = promisify(execFile)

export interface TestGateway {
  thingName: string
  plantId: string
  configFile: string
  dataDir: string
  start: () => ChildProcess
}

/** Creates a gateway through the API as the tenant's admin, and enrols it by the agent's own command. */
export async function enrolGateway(
  endpoints: ProvidedContext['endpoints'],
  options: { tenant: string; plant: string; folder: string; devices: string; machines: string },
): Promise<TestGateway> {
  const api = await signIn(
    endpoints,
    endpoints.users.find((u) => u.tenant === options.tenant && u.role === 'admin')!.email,
  )
  const plants = (await api.get('/plants')) as PlantPage
  const { plantId } = plants.items.find((plant) => plant.slug === options.plant)!
  const { gateway, enrolment } = (await api.post('/gateways', { plantId })) as CreatedGateway
  const { thingName } = gateway
  return { thingName, plantId, ...(await installGateway(endpoints, { ...options, thingName, token: enrolment.token })) }
}

/** Writes its configuration and enrols it by the agent's own command, with the token that its creation gave. */
export async function installGateway(
  endpoints: ProvidedContext['endpoints'],
  options: { thingName: string; token: string; folder: string; devices: string; machines: string },
): Promise<Pick<TestGateway, 'configFile' | 'dataDir' | 'start'>> {
  const dataDir = join(options.folder, options.thingName)
  mkdirSync(dataDir, { recursive: true })
  const configFile = join(options.folder, `${options.thingName}.yaml`)
  writeFileSync(
    configFile,
    `version: 1\ndataDir: ${dataDir}\ndevices:\n${options.devices}\nmachines:\n${options.machines}\n`,
  )
  await run(process.execPath, [
    main,
    'enroll',
    '--config',
    configFile,
    '--url',
    endpoints.api.url,
    '--token',
    options.token,
  ])
  return {
    configFile,
    dataDir,
    start: () =>
      spawn(process.execPath, [main, 'run', '--config', configFile], { stdio: ['ignore', 'ignore', 'inherit'] }),
  }
}
