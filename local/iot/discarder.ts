import type { PublishPacket } from 'aedes'

const PER_SECOND = 100
/** Nobody subscribes to it: a policy cannot allow a topic that begins with `$SYS`. */
const NOWHERE = '$SYS/discarded'

/** AWS IoT takes 100 publishes/s per connection and discards what is above, without a PUBACK and without a word. */
export class Discarder {
  readonly #counts = new WeakMap<object, { second: number; publishes: number }>()

  isTooFast(connection: object): boolean {
    const second = Math.floor(Date.now() / 1000)
    const count = this.#counts.get(connection)
    if (count?.second !== second) {
      this.#counts.set(connection, { second, publishes: 1 })
      return false
    }
    count.publishes += 1
    return count.publishes > PER_SECOND
  }

  /** aedes answers each publish; one of QoS 0 to nowhere gets no answer and reaches nobody. */
  discard(packet: PublishPacket): void {
    packet.qos = 0
    packet.retain = false
    packet.topic = NOWHERE
  }
}
