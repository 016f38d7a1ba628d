/**
 * Back-off with full jitter: the n-th wait is drawn from [first, min(longest, first * 2^n)], so that gateways which
 * lost the same line do not come back in one burst, and none comes back sooner than `first`.
 */
export class Backoff {
  readonly #firstMs: number
  readonly #longestMs: number
  #failures = 0

  constructor(limits: { firstMs: number; longestMs: number }) {
    this.#firstMs = limits.firstMs
    this.#longestMs = limits.longestMs
  }

  nextMs(random: number = Math.random()): number {
    this.#failures += 1
    const ceilingMs = Math.min(this.#longestMs, this.#firstMs * 2 ** this.#failures)
    return this.#firstMs + random * (ceilingMs - this.#firstMs)
  }

  reset(): void {
    this.#failures = 0
  }
}
