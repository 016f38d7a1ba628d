/** Most publishes that IoT Core takes in a second, less what heartbeats and the network's own bunching need. */
const CEILING_PER_SECOND = 95
/**
 * What one publish may weigh: a larger one counts as several. IoT Core takes 512 KiB/s of a connection, which is the ceiling and one
 * publish of 128 KiB, the largest there is, at this weight.
 */
const BYTES_PER_PUBLISH = 4_096

/**
 * Lets `perSecond` publishes pass on average. A burst may add at most what is left below the ceiling: bucket and refill
 * together never pass more than that in any second, but for the last publish, which may be more than the bucket holds.
 */
export class TokenBucket {
  readonly #perSecond: number
  readonly #capacity: number
  #tokens: number
  #filledAt: number
  #needed = 1

  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond
    this.#capacity = Math.max(1, CEILING_PER_SECOND - perSecond)
    this.#tokens = this.#capacity
    this.#filledAt = nowMs
  }

  /** `bytes`: of topic and payload. */
  take(nowMs: number, bytes: number): boolean {
    this.#tokens = Math.min(this.#capacity, this.#tokens + ((nowMs - this.#filledAt) * this.#perSecond) / 1000)
    this.#filledAt = nowMs
    const weight = Math.max(1, bytes / BYTES_PER_PUBLISH)
    this.#needed = Math.min(weight, this.#capacity)
    if (this.#tokens < this.#needed) return false
    this.#tokens -= weight
    return true
  }

  /** How long until what was refused can be taken. */
  get waitMs(): number {
    return ((this.#needed - this.#tokens) * 1000) / this.#perSecond
  }
}
