import { createWriteStream, existsSync, mkdirSync, renameSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

const KEEP_BYTES = 20_000_000

export interface LogFile {
  write(line: string): void
  close(): Promise<void>
}

/** Appends lines; a file that has grown large is put aside at start as `.1`. */
export function openLogFile(file: string): LogFile {
  mkdirSync(dirname(file), { recursive: true })
  if (existsSync(file) && statSync(file).size > KEEP_BYTES) renameSync(file, `${file}.1`)
  const stream = createWriteStream(file, { flags: 'a' })
  return {
    write: (line) => void stream.write(`${line}\n`),
    close: () => new Promise((resolve) => stream.end(resolve)),
  }
}
