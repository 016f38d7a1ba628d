import { createWriteStream, existsSync, mkdirSync, renameSync, statSync, type WriteStream } from 'node:fs'
import { dirname } from 'node:path'

const KEEP_BYTES = 20_000_000

export interface LogFile {
  write: (line: string) => void
  close: () => Promise<void>
}

/** Appends lines; when the file has grown large it becomes `.1`, in the place of the one before. */
export function openLogFile(file: string): LogFile {
  mkdirSync(dirname(file), { recursive: true })
  let bytes = existsSync(file) ? statSync(file).size : 0
  let stream = open(file)
  return {
    write(line) {
      bytes += line.length
      if (bytes > KEEP_BYTES) {
        stream.end()
        renameSync(file, `${file}.1`)
        stream = open(file)
        bytes = 0
      }
      stream.write(`${line}\n`)
    },
    close: () => new Promise((resolve) => stream.end(resolve)),
  }
}

const open = (file: string): WriteStream => createWriteStream(file, { flags: 'a' })
