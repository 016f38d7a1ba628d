import type { DataValue } from './drivers/driver.ts'

/** A device's clock that differs by more is not believed: a wrong time would hide newer values in the cloud. */
const CLOCK_TOLERANCE_MS = 1000

/**
 * The timestamp of each reading, for the tags that one machine has on one device: the moment of the read. Only what a
 * device that tells the time of its values (OPC UA) says to have changed since the read before has the time of its
 * newest change, at which all its values held, provided that this lies between the two reads.
 */
export class ReadingTime {
  #readAt: number | undefined
  #newest = -Infinity
  #last = -Infinity

  /** `now`: epoch ms of the read. Never earlier than the one before, unless the clock was put back. */
  of(values: Iterable<DataValue>, now: number): number {
    const before = this.#newest
    for (const { timestamp } of values) {
      if (timestamp !== undefined && timestamp > this.#newest) this.#newest = timestamp
    }
    const since = this.#readAt ?? now
    const isBelieved =
      this.#newest > before && this.#newest >= since - CLOCK_TOLERANCE_MS && this.#newest <= now + CLOCK_TOLERANCE_MS
    this.#readAt = now
    // A time of the device may lie ahead of this clock by what is tolerated; what comes next must not be told as earlier.
    const least = this.#last <= now + CLOCK_TOLERANCE_MS ? this.#last : now
    this.#last = Math.max(isBelieved ? this.#newest : now, least)
    return this.#last
  }
}
