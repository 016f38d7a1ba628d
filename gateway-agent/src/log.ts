import { fstatSync } from 'node:fs'

/** A repeated failure is said at once, then at most this often, with the number of times it was held back. */
const REPEAT_AFTER_MS = 60_000
/** Lines that the running agent remembers for `gateway-agent logs`; systemd's journal keeps them all. */
const REMEMBERED_LINES = 500

export interface Log {
  info: (message: string) => void
  warn: (message: string) => void
  error: (message: string) => void
  /** A warning that may come with every cycle. `key` tells which failure it is; the text may differ each time. */
  warnOften: (key: string, message: string) => void
  /** The failure of `key` is over: the next one is said at once. */
  settled: (key: string) => void
}

/** A log whose last lines can be read again. */
export interface LogBook extends Log {
  readonly lines: readonly string[]
  /** Calls `listener` with each new line, until the returned function is called. */
  follow: (listener: (line: string) => void) => () => void
}

/** Priorities of syslog, by which the journal knows a level (sd-daemon(3)). */
const LEVELS = {
  info: { name: 'INFO ', priority: 6 },
  warn: { name: 'WARN ', priority: 4 },
  error: { name: 'ERROR', priority: 3 },
}

/** One line per event: time, level, message. Warnings and errors go to stderr. The journal has a time and a level of its own. */
export function createLog(
  streams: { out: NodeJS.WritableStream; err: NodeJS.WritableStream } = standardStreams,
  isJournal = writesToJournal(),
): LogBook {
  const repeats = new Map<string, { saidAt: number; heldBack: number }>()
  const lines: string[] = []
  const listeners = new Set<(line: string) => void>()
  const write = (level: keyof typeof LEVELS, message: string) => {
    const { name, priority } = LEVELS[level]
    const line = `${new Date().toISOString()} ${name} ${message}`
    const stream = level === 'info' ? streams.out : streams.err
    stream.write(isJournal ? `${message.replace(/^/gm, `<${priority}>`)}\n` : `${line}\n`)
    if (lines.push(line) > REMEMBERED_LINES) lines.shift()
    for (const listener of listeners) listener(line)
  }
  const warn = (message: string) => write('warn', message)
  return {
    lines,
    follow(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    info: (message) => write('info', message),
    warn,
    error: (message) => write('error', message),
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

/** systemd names the device and inode of the stream that goes to its journal (systemd.exec(5)). */
function writesToJournal(): boolean {
  const { dev, ino } = fstatSync(1)
  return process.env.JOURNAL_STREAM === `${dev}:${ino}`
}
