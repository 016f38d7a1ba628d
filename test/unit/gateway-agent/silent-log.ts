import type { Log } from '../../../gateway-agent/src/log.ts'

/** A log that keeps its lines, for tests that look at them. */
export function silentLog(): Log & { lines: string[] } {
  const lines: string[] = []
  const keep = (message: string) => void lines.push(message)
  return {
    lines,
    info: keep,
    warn: keep,
    error: keep,
    warnOften: (_key, message) => keep(message),
    settled: () => undefined,
  }
}
