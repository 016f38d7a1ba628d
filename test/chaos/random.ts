import { createCipheriv, createHash, type Cipheriv } from 'node:crypto'

const BLOCK_BYTES = 4096

/** Chance that can be repeated: the same seed gives the same draws. The key stream of AES in counter mode. */
export class Random {
  readonly #stream: Cipheriv
  #block = Buffer.alloc(0)
  #used = 0

  constructor(seed: number | string) {
    const key = createHash('sha256').update(String(seed)).digest()
    this.#stream = createCipheriv('aes-256-ctr', key, Buffer.alloc(16))
  }

  /** An integer of 0 to `limit` - 1. */
  below(limit: number): number {
    if (this.#used === this.#block.length) {
      this.#block = this.#stream.update(Buffer.alloc(BLOCK_BYTES))
      this.#used = 0
    }
    const draw = this.#block.readUInt32LE(this.#used)
    this.#used += 4
    return Math.floor((draw / 2 ** 32) * limit)
  }

  between(least: number, most: number): number {
    return least + this.below(most - least + 1)
  }

  chance(percent: number): boolean {
    return this.below(10_000) < percent * 100
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!
  }

  shuffled<Item>(items: readonly Item[]): Item[] {
    const result = [...items]
    for (let last = result.length - 1; last > 0; last -= 1) {
      const other = this.below(last + 1)
      const moved = result[last]!
      result[last] = result[other]!
      result[other] = moved
    }
    return result
  }
}
