import { randomBytes } from 'node:crypto'
import { existsSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** SQLite's log holds up to 4 MB, and needs as much again in the database before it can be used anew. */
const RESERVE_BYTES = 8 * 1024 * 1024
const LOOK_AGAIN_MS = 1000

/**
 * Room on the outbox's disk. A reserve beside the outbox is given up when others have filled the disk to the last byte:
 * on a full disk SQLite could not even delete, and the newest readings would be the ones that are lost.
 */
export class DiskRoom {
  readonly #reserve: string
  minFreeBytes: number
  #freeBytes = 0
  #lookedAt = -Infinity

  constructor(outboxFile: string, minFreeBytes: number) {
    this.#reserve = `${outboxFile}.reserve`
    this.minFreeBytes = minFreeBytes
  }

  /** Bytes that the agent's user may still write, as of a second ago at most. */
  get freeBytes(): number {
    const now = performance.now()
    if (now - this.#lookedAt < LOOK_AGAIN_MS) return this.#freeBytes
    this.#lookedAt = now
    const { bavail, bsize } = statfsSync(dirname(this.#reserve))
    this.#freeBytes = bavail * bsize
    if (this.#freeBytes > this.minFreeBytes + 2 * RESERVE_BYTES) this.#keepReserve()
    return this.#freeBytes
  }

  /** Less is left than must stay free for the rest of the computer: the outbox must not grow. */
  get isLow(): boolean {
    return this.freeBytes < this.minFreeBytes
  }

  /** Frees the reserve; false when it is gone already. The disk counts as low until it is looked at again. */
  release(): boolean {
    if (!existsSync(this.#reserve)) return false
    rmSync(this.#reserve)
    this.#freeBytes = 0
    this.#lookedAt = performance.now()
    return true
  }

  #keepReserve(): void {
    if (existsSync(this.#reserve)) return
    try {
      // Random, as zeros are nothing to a file system that compresses.
      writeFileSync(this.#reserve, randomBytes(RESERVE_BYTES), { mode: 0o600 })
    } catch {
      // Somebody was quicker to fill the disk: half a reserve would be taken for a whole one.
      rmSync(this.#reserve, { force: true })
    }
  }
}
