/** Most publishes that IoT Core takes in a second, less what heartbeats and the network's own bunching need. */
const CEILING_PER_SECOND = 95

/**
 * Lets `perSecond` pass on average. A burst may add at most what is left below the ceiling: bucket and refill together
 * never pass more than that in any second.
 */
export class TokenBucket {
  readonly #perSecond: number
  readonly #capacity: number
  #tokens: number
  #filledAt: number

  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond
    this.#capacity = Math.max(1, CEILING_PER_SECOND - perSecond)
    this.#tokens = this.#capacity
    this.#filledAt = nowMs
  }

  take(nowMs: number): boolean {
    this.#tokens = Math.min(this.#capacity, this.#tokens + ((nowMs - this.#filledAt) * this.#perSecond) / 1000)
    this.#filledAt = nowMs
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }

  /** How long until `take` succeeds again. */
  get waitMs(): number {
    return ((1 - this.#tokens) * 1000) / this.#perSecond
  }
}
