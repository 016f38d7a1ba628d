import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { endLeftovers } from './leftovers.ts'
import { lock } from './lock.ts'
import { removePostgresData } from './postgres-home.ts'

/** There while data is being deleted. */
const MARK = 'forgetting'

/** Everything but what only saves time: synthesized templates and an unpacked Redis. */
const DATA = [
  'redis',
  'queues',
  'gateways',
  'ca',
  'logs',
  'iot-registry.json',
  'retained-messages.json',
  'firebase-accounts.json',
  'endpoints.json',
]

/**
 * Deletes all data of the local system when asked, or when an earlier run was asked and ended in the middle of it: a part
 * of the data is worse than none. Throws AlreadyRunning when a system runs on it.
 */
export async function forget(rootDir: string, asked: boolean): Promise<void> {
  const mark = join(rootDir, MARK)
  if (!asked && !existsSync(mark)) return
  lock(rootDir).release()
  await endLeftovers(rootDir)
  writeFileSync(mark, '')
  removePostgresData(join(rootDir, 'postgres'))
  for (const name of DATA) rmSync(join(rootDir, name), { recursive: true, force: true })
  rmSync(mark)
}
