import { closeSync, existsSync, mkdirSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { remember, remembered } from './processes.ts'

export class AlreadyRunning extends Error {}

/** One local cloud per folder. The lock of a run that was killed is recognised and taken over. */
export function lock(folder: string): { release(): void } {
  const file = join(folder, 'lock.json')
  mkdirSync(folder, { recursive: true })
  const holder = existsSync(file) ? remembered(file) : undefined
  if (holder !== undefined && holder !== process.pid) {
    throw new AlreadyRunning(
      `The local cloud already runs in this folder (process ${holder}). Its addresses: ${join(folder, 'endpoints.json')}`,
    )
  }
  rmSync(file, { force: true })
  try {
    closeSync(openSync(file, 'wx')) // fails when another start was a moment quicker
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    throw new AlreadyRunning('Another start of the local cloud in this folder was a moment quicker.', { cause })
  }
  remember(file, process.pid)
  return { release: () => rmSync(file, { force: true }) }
}
