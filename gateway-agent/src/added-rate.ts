const SAMPLE_MS = 10_000
const SAMPLES = 7

/** How fast the outbox is filled: bytes per second over the last minute, or since the start. */
export class AddedRate {
  readonly #addedBytes: () => number
  readonly #samples: { atMs: number; bytes: number }[] = []
  readonly #timer: NodeJS.Timeout

  constructor(addedBytes: () => number) {
    this.#addedBytes = addedBytes
    this.#sample()
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS).unref()
  }

  get bytesPerSec(): number {
    const [oldest] = this.#samples
    const seconds = (performance.now() - oldest!.atMs) / 1000
    return seconds > 0 ? (this.#addedBytes() - oldest!.bytes) / seconds : 0
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #sample(): void {
    this.#samples.push({ atMs: performance.now(), bytes: this.#addedBytes() })
    if (this.#samples.length > SAMPLES) this.#samples.shift()
  }
}
