/** A repeated failure is said at once, then at most this often, with the number of times it was held back. */
const REPEAT_AFTER_MS = 60_000

export interface Log {
  info: (message: string) => void
  warn: (message: string) => void
  error: (message: string) => void
  /** A warning that may come with every cycle. `key` tells which failure it is; the text may differ each time. */
  warnOften: (key: string, message: string) => void
  /** The failure of `key` is over: the next one is said at once. */
  settled: (key: string) => void
}

/** One line per event: time, level, message. Warnings and errors go to stderr. */
export function createLog(streams: { out: NodeJS.WritableStream; err: NodeJS.WritableStream } = standardStreams): Log {
  const repeats = new Map<string, { saidAt: number; heldBack: number }>()
  const write = (stream: NodeJS.WritableStream, level: string, message: string) => {
    stream.write(`${new Date().toISOString()} ${level} ${message}\n`)
  }
  const warn = (message: string) => write(streams.err, 'WARN ', message)
  return {
    info: (message) => write(streams.out, 'INFO ', message),
    warn,
    error: (message) => write(streams.err, 'ERROR', message),
    warnOften(key, message) {
      const now = performance.now()
      const last = repeats.get(key)
      if (last && now - last.saidAt < REPEAT_AFTER_MS) {
        last.heldBack += 1
        return
      }
      warn(last?.heldBack ? `${message} (and ${last.heldBack} more like it since)` : message)
      repeats.set(key, { saidAt: now, heldBack: 0 })
    },
    settled: (key) => void repeats.delete(key),
  }
}

const standardStreams = { out: process.stdout, err: process.stderr }
