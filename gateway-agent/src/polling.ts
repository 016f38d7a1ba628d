import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Configuration, DeviceConfiguration, Machine } from './configuration.ts'
import { Device } from './drivers/device.ts'
import { openDriver } from './drivers/open-driver.ts'
import type { Log } from './log.ts'
import type { Outbox } from './outbox.ts'
import { Poller } from './poller.ts'

/** One device that is read, and the configuration that it is read by. */
export interface PolledDevice {
  configuration: DeviceConfiguration
  /** Of the machines, only the tags on this device. */
  machines: readonly Machine[]
  device: Device
  poller: Poller
}

/** All devices with their pollers. A changed configuration restarts only those whose part of it has changed. */
export class Polling {
  readonly #outbox: Pick<Outbox, 'add'>
  readonly #log: Log
  readonly #onLinkChange: () => void
  #wasUp = false
  #polled: ReadonlyMap<string, PolledDevice> = new Map()

  constructor(options: { outbox: Pick<Outbox, 'add'>; log: Log; onLinkChange: () => void }) {
    this.#outbox = options.outbox
    this.#log = options.log
    this.#onLinkChange = options.onLinkChange
  }

  get devices(): Iterable<PolledDevice> {
    return this.#polled.values()
  }

  /** Whether every device that is read has answered its last read. */
  get isUp(): boolean {
    return this.#polled.size > 0 && [...this.#polled.values()].every(({ device }) => device.isUp)
  }

  /**
   * Reads what `configuration` says from now on, and returns the names of the devices that were started anew. A poller
   * ends its cycle before another takes over in the same rhythm, so no instant is left out. Rejects before anything has
   * changed when a driver cannot be loaded.
   */
  async apply({ devices: all, machines }: Pick<Configuration, 'devices' | 'machines'>): Promise<string[]> {
    const devices = all.filter(({ name }) => partOf(machines, name).length > 0)
    const wanted = await Promise.all(
      devices.map(async (configuration) => {
        const before = this.#polled.get(configuration.name)
        const own = partOf(machines, configuration.name)
        const isSame = before !== undefined && isDeepStrictEqual(before.configuration, configuration)
        return {
          configuration,
          machines: own,
          before,
          isUnchanged: isSame && isDeepStrictEqual(before.machines, own),
          device: isSame ? before.device : await this.#open(configuration),
        }
      }),
    )
    const polled = new Map<string, PolledDevice>()
    const changed: string[] = []
    await Promise.all(
      wanted.map(async ({ configuration, machines: own, before, isUnchanged, device }) => {
        const { name } = configuration
        if (before && isUnchanged) return void polled.set(name, before)
        changed.push(name)
        await before?.poller.stop()
        if (before && before.device !== device) await before.device.close()
        const poller = new Poller({
          ...{ device, machines: own, outbox: this.#outbox, log: this.#log },
          before: before?.poller,
        })
        polled.set(name, { configuration, machines: own, device, poller })
      }),
    )
    const removed = [...this.#polled].filter(([name]) => !polled.has(name)).map(([, part]) => part)
    await Promise.all(removed.map(end))
    // In the order of the file.
    this.#polled = new Map(devices.map(({ name }) => [name, polled.get(name)!]))
    this.#tellLink()
    return changed
  }

  /** Resolves when nothing is added any more and all connections are closed, or after `waitMs`: a device may hang for longer. */
  async stop(waitMs: number): Promise<void> {
    await Promise.race([Promise.all([...this.#polled.values()].map(end)), sleep(waitMs, undefined, { ref: false })])
  }

  /** Of many devices behind one switch only the first that goes and the last that comes change anything. */
  #tellLink(): void {
    if (this.isUp === this.#wasUp) return
    this.#wasUp = this.isUp
    this.#onLinkChange()
  }

  async #open(configuration: DeviceConfiguration): Promise<Device> {
    const driver = await openDriver(configuration)
    return new Device({ name: configuration.name, driver, log: this.#log, onLinkChange: () => this.#tellLink() })
  }
}

async function end({ poller, device }: PolledDevice): Promise<void> {
  await poller.stop()
  await device.close()
}

const partOf = (machines: readonly Machine[], device: string): Machine[] =>
  machines
    .map(({ slug, tags }) => ({ slug, tags: tags.filter((tag) => tag.device === device) }))
    .filter(({ tags }) => tags.length > 0)
