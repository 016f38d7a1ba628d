import { globSync } from 'node:fs'
import { join } from 'node:path'
import { endLeftoverPostgres } from './postgres.ts'
import { endLeftover } from './processes.ts'
import { redisPidFile } from './redis.ts'

/** Where a gateway's process is remembered: one file per gateway, `gateways/{thingName}/process.json`. */
export const gatewayPidFile = (folder: string) => join(folder, 'process.json')

/**
 * Ends the processes that a run ended by kill -9 has left behind. Before ports are chosen, so that theirs are free
 * again; gateways first, so that they do not find their broker gone.
 */
export async function endLeftovers(rootDir: string): Promise<void> {
  const gateways = globSync(gatewayPidFile(join(rootDir, 'gateways/*')))
  await Promise.all(gateways.map((file) => endLeftover(file, 'SIGTERM')))
  await Promise.all([
    endLeftoverPostgres(join(rootDir, 'postgres')),
    endLeftover(redisPidFile(join(rootDir, 'redis')), 'SIGTERM'),
  ])
}
