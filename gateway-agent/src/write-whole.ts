import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** Writes a file that only its owner can read. After a power cut it is there whole, or as it was before. */
export function writeWhole(file: string, text: string): void {
  const part = `${file}.part`
  writeFileSync(part, text, { mode: 0o600, flush: true })
  renameSync(part, file)
  syncFolder(dirname(file))
}

/** Puts on the disk what was renamed, made or removed in `folder`. */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
