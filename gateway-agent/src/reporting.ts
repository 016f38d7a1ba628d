import type { DataValue } from './drivers/driver.ts'

/**
 * Report by exception still sends a full message this often, so that silence means a fault and not a steady value: the
 * rhythm of the heartbeat.
 */
export const MAX_SILENCE_MS = 10_000

/**
 * Report by exception, for the tags that one machine has on one device. As soon as one of them has a dead-band, a
 * message is sent only when a tag has moved by more than its own (0 where none is given: any change), when a quality
 * has changed, or after the longest silence. Without any dead-band every cycle is sent.
 * A message is never thinned out: the dead-band decides whether all that was read now is sent, or nothing.
 */
export class ReportByException {
  readonly #deadbands: ReadonlyMap<string, number | undefined>
  readonly #isOn: boolean
  readonly #sent = new Map<string, DataValue>()
  #sentAt = -Infinity

  constructor(tags: readonly { name: string; deadband?: number | undefined }[]) {
    this.#deadbands = new Map(tags.map(({ name, deadband }) => [name, deadband]))
    this.#isOn = tags.some(({ deadband }) => deadband !== undefined)
  }

  /** Whether to send `values` now (`nowMs` on the monotonic clock), which then are what the next ones are held against. */
  isDue(values: ReadonlyMap<string, DataValue>, nowMs: number): boolean {
    const isDue =
      !this.#isOn ||
      nowMs - this.#sentAt >= MAX_SILENCE_MS ||
      [...values].some(([name, value]) => this.#moved(name, value))
    if (isDue) {
      for (const [name, value] of values) this.#sent.set(name, value)
      this.#sentAt = nowMs
    }
    return isDue
  }

  #moved(name: string, now: DataValue): boolean {
    const sent = this.#sent.get(name)
    if (!sent || sent.quality !== now.quality) return true
    if (typeof now.value !== 'number' || typeof sent.value !== 'number') return now.value !== sent.value
    return Math.abs(now.value - sent.value) > (this.#deadbands.get(name) ?? 0)
  }
}
