import { Backoff } from '../backoff.ts'
import { messageOf } from '../failure.ts'
import type { Log } from '../log.ts'
import type { DataValue, Driver, TagSource } from './driver.ts'

/** A device on the plant's own network is tried again soon, yet not so often that it is kept from starting. */
const RECONNECT = { firstMs: 500, longestMs: 15_000 }

/** The device cannot be reached now; nothing was read. */
export class DeviceDown extends Error {}

/**
 * A driver with its link: connects when something is to be read, and after a failure not before its back-off is over,
 * so that a dead device costs one time-out per attempt and not one per cycle.
 */
export class Device {
  readonly name: string
  readonly #driver: Driver
  readonly #log: Log
  readonly #onLinkChange: () => void
  readonly #backoff = new Backoff(RECONNECT)
  #isOpen = false
  #link: 'unknown' | 'up' | 'down' = 'unknown'
  /** On the monotonic clock. */
  #nextAttemptAt = 0
  #lastFault = ''

  constructor(options: { name: string; driver: Driver; log: Log; onLinkChange: () => void }) {
    this.name = options.name
    this.#driver = options.driver
    this.#log = options.log
    this.#onLinkChange = options.onLinkChange
  }

  /** Whether the last read was answered; a connection alone proves nothing. */
  get isUp(): boolean {
    return this.#link === 'up'
  }

  /** Rejects with DeviceDown only. */
  async read(tags: readonly TagSource[]): Promise<DataValue[]> {
    if (!this.#isOpen && performance.now() < this.#nextAttemptAt) throw new DeviceDown(this.#lastFault)
    const wasOpen = this.#isOpen
    try {
      try {
        return await this.#attempt(tags)
      } catch (error) {
        // Many a PLC closes a connection that was idle between two cycles: only a fresh one tells whether it is there.
        if (!wasOpen) throw error
        await this.close()
        return await this.#attempt(tags)
      }
    } catch (error) {
      await this.#goDown(messageOf(error))
      throw new DeviceDown(this.#lastFault)
    }
  }

  async close(): Promise<void> {
    this.#isOpen = false
    await this.#driver.close()
  }

  async #attempt(tags: readonly TagSource[]): Promise<DataValue[]> {
    if (!this.#isOpen) await this.#driver.connect()
    this.#isOpen = true
    const values = await this.#driver.read(tags)
    if (!this.isUp) this.#goUp()
    return values
  }

  #goUp(): void {
    this.#link = 'up'
    this.#backoff.reset()
    this.#log.settled(`device ${this.name}`)
    this.#log.info(`device ${this.name}: connected`)
    this.#onLinkChange()
  }

  async #goDown(fault: string): Promise<void> {
    const wasDown = this.#link === 'down'
    this.#link = 'down'
    this.#lastFault = fault
    this.#nextAttemptAt = performance.now() + this.#backoff.nextMs()
    await this.close()
    this.#log.warnOften(`device ${this.name}`, `device ${this.name}: ${fault}; trying again`)
    if (!wasDown) this.#onLinkChange()
  }
}
