import type { DataValue } from './drivers/driver.ts'

/**
 * Report by exception still sends a full message this often unless configured otherwise, so that silence means a fault
 * and not a steady value: the rhythm of the heartbeat.
 */
export const MAX_SILENCE_MS = 10_000

/** What a tag says about when it is worth a message. */
export interface ReportingTag {
  name: string
  intervalMs: number
  deadband?: number | undefined
  deadbandPercent?: number | undefined
  maxSilenceMs?: number | undefined
}

/**
 * Report by exception, for the tags that one machine has on one device. As soon as one of them has a dead-band or a
 * longest silence, a message is sent only when a tag has moved by more than its own dead-band (any change where none is
 * given), when a quality has changed, or after a tag's longest silence. Without any of them every cycle is sent.
 * A message is never thinned out: the dead-band decides whether all that was read now is sent, or nothing.
 */
export class ReportByException {
  readonly #tags: ReadonlyMap<string, ReportingTag>
  readonly #isOn: boolean
  readonly #sent = new Map<string, { value: DataValue; atMs: number }>()

  constructor(tags: readonly ReportingTag[]) {
    this.#tags = new Map(tags.map((tag) => [tag.name, tag]))
    this.#isOn = tags.some(
      ({ deadband, deadbandPercent, maxSilenceMs }) => (deadband ?? deadbandPercent ?? maxSilenceMs) !== undefined,
    )
  }

  /** Whether to send `values` now (`nowMs` on the monotonic clock), which then are what the next ones are held against. */
  isDue(values: ReadonlyMap<string, DataValue>, nowMs: number): boolean {
    if (!this.#isOn) return true
    const isDue = [...values].some(([name, value]) => this.#isTagDue(name, value, nowMs))
    if (isDue) for (const [name, value] of values) this.#sent.set(name, { value, atMs: nowMs })
    return isDue
  }

  #isTagDue(name: string, now: DataValue, nowMs: number): boolean {
    const sent = this.#sent.get(name)
    if (!sent || sent.value.quality !== now.quality) return true
    const { intervalMs, maxSilenceMs = MAX_SILENCE_MS, deadband = 0, deadbandPercent = 0 } = this.#tags.get(name)!
    // Half a cycle early rather than half a cycle late: a read is never exactly on its instant.
    if (nowMs - sent.atMs >= maxSilenceMs - intervalMs / 2) return true
    const before = sent.value.value
    if (typeof now.value !== 'number' || typeof before !== 'number') return now.value !== before
    return Math.abs(now.value - before) > Math.max(deadband, (Math.abs(before) * deadbandPercent) / 100)
  }
}
