import type { PublishPacket } from 'aedes'

const PER_SECOND = 100
const BYTES_PER_SECOND = 512 * 1024
/** Nobody subscribes to it: a policy cannot allow a topic that begins with `$SYS`. */
const NOWHERE = '$SYS/discarded'

/**
 * AWS IoT takes 100 publishes/s and 512 KiB/s per connection. What is above in number it discards, without a PUBACK and without a
 * word; what becomes of bytes above is not documented, so here they go the same way.
 */
export class Discarder {
  readonly #counts = new WeakMap<object, { second: number; publishes: number; bytes: number }>()

  isTooFast(connection: object, { topic, payload }: Pick<PublishPacket, 'topic' | 'payload'>): boolean {
    const second = Math.floor(Date.now() / 1000)
    let count = this.#counts.get(connection)
    if (count?.second !== second) this.#counts.set(connection, (count = { second, publishes: 0, bytes: 0 }))
    count.publishes += 1
    count.bytes += topic.length + payload.length
    return count.publishes > PER_SECOND || count.bytes > BYTES_PER_SECOND
  }

  /** aedes answers each publish; one of QoS 0 to nowhere gets no answer and reaches nobody. */
  discard(packet: PublishPacket): void {
    packet.qos = 0
    packet.retain = false
    packet.topic = NOWHERE
  }
}
