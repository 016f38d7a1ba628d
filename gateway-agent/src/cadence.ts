/**
 * Instants of a fixed cadence on the monotonic clock, counted from one start: instant n is start + n * interval, so that
 * a late cycle never delays the ones after it, and intervals that divide one another fall together.
 */
export class Cadence {
  readonly #startMs: number
  readonly #intervalMs: number
  #count = 0

  constructor(startMs: number, intervalMs: number) {
    this.#startMs = startMs
    this.#intervalMs = intervalMs
  }

  /** The cadence that began at `startMs`, at its first instant that is not before `nowMs`. */
  static from(startMs: number, intervalMs: number, nowMs: number): Cadence {
    const cadence = new Cadence(startMs, intervalMs)
    cadence.#count = Math.ceil((nowMs - startMs) / intervalMs)
    return cadence
  }

  get nextMs(): number {
    return this.#startMs + this.#count * this.#intervalMs
  }

  /** Moves to the first instant after `nowMs`; returns how many were missed on the way. */
  advance(nowMs: number): number {
    const next = Math.max(this.#count + 1, Math.floor((nowMs - this.#startMs) / this.#intervalMs) + 1)
    const missed = next - this.#count - 1
    this.#count = next
    return missed
  }
}
