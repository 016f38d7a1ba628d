/** The whole local system, once for all system tests: in a folder and on ports of its own, without PLCs and gateways. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { startLocalCloud } from '../../local/cloud.ts'
import type { Endpoints } from '../../local/endpoints.ts'
import { endLeftovers } from '../../local/leftovers.ts'
import { removePostgresData } from '../../local/postgres-home.ts'

declare module 'vitest' {
  interface ProvidedContext {
    endpoints: Endpoints
    /** Folder of the running cloud, in the place of `.local`. */
    cloudDir: string
  }
}

/** Templates are synthesized once for tests and `npm start`. */
const ASSEMBLY_CACHE = join(import.meta.dirname, '../../.local/assembly')

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const rootDir = mkdtempSync(join(tmpdir(), 'iot-telemetry-system-'))
  chmodSync(rootDir, 0o755) // Postgres runs as another user when the tests run as root
  const cloud = await startLocalCloud({ rootDir, demo: false, anyPorts: true, assemblyCache: ASSEMBLY_CACHE })
  project.provide('endpoints', cloud.endpoints)
  project.provide('cloudDir', rootDir)
  return async () => {
    await cloud.stop()
    await endLeftovers(rootDir) // a Redis that a test has started again
    removePostgresData(join(rootDir, 'postgres'))
    rmSync(rootDir, { recursive: true, force: true })
  }
}
