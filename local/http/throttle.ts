/** A token bucket, as API Gateway throttles a route: `burst` at once, then `perSecond`. */
export class Throttle {
  readonly #perSecond: number
  readonly #burst: number
  #tokens: number
  #at = 0

  constructor({ perSecond, burst }: { perSecond: number; burst: number }) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#tokens = burst
  }

  /** `nowMs` of a clock that never goes back. */
  isTooFast(nowMs: number): boolean {
    this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#at) / 1000) * this.#perSecond)
    this.#at = nowMs
    if (this.#tokens < 1) return true
    this.#tokens--
    return false
  }
}
