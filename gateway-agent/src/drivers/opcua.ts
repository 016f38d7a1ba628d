import {
  AttributeIds,
  ClientMonitoredItemGroup,
  type ClientSubscription,
  type DataValue as UaValue,
  TimestampsToReturn,
} from 'node-opcua-client'
import { messageOf } from '../failure.ts'
import { bad } from './data-value.ts'
import type { DataValue, Driver, TagSource } from './driver.ts'
import { connectOpcUa, within, type OpcUaConnection, type OpcUaOptions } from './opcua-connection.ts'
import { nodeIdOf } from './opcua-namespaces.ts'
import { decodeOpcUa } from './opcua-value.ts'

/** Nodes in one request: fewer than any server is known to limit, and enough that a thousand take two round trips. */
const NODES_AT_ONCE = 500
const DEFAULT_INTERVAL_MS = 1000
/**
 * A subscription without news says so as often as this, whatever the interval of its nodes: one that was silent for longer
 * than the session lasts would end it, and its first values might come that late.
 */
const SIGN_OF_LIFE_MS = 1000
/** A node that the server did not know is looked for again after this time: its program may have been loaded meanwhile. */
const MISSING_AFRESH_MS = 60_000

/** Status codes by which a server says that it has no subscriptions, or none for us. */
const NO_SUBSCRIPTIONS =
  /BadServiceUnsupported|BadNotSupported|BadNotImplemented|BadTooManySubscriptions|BadSubscriptionsUnsupported/

/** What is known of a node that the server tells about: the last thing it said, or why it will say nothing. */
interface Watch {
  value: DataValue
  /** Not to be asked for again before, on the monotonic clock; Infinity while the server watches it. */
  until: number
}

/**
 * OPC UA by node-opcua. Nodes are subscribed at the interval at which they are read, one subscription for each: a read
 * gives what the server has told last, once it is sure that the server still would tell. Where a server has no
 * subscriptions, nodes are read.
 */
export function createOpcUa(options: OpcUaOptions): Driver {
  let connection: OpcUaConnection | undefined
  let lost: Error | undefined
  let polls = false
  let subscriptions = new Map<number, Subscription>()

  async function subscriptionOf(intervalMs: number, connection: OpcUaConnection): Promise<Subscription | undefined> {
    const known = subscriptions.get(intervalMs)
    if (known || polls) return known
    try {
      const created = await Subscription.create(connection, intervalMs, options.timeoutMs)
      subscriptions.set(intervalMs, created)
      return created
    } catch (error) {
      if (!NO_SUBSCRIPTIONS.test(messageOf(error))) throw error
      polls = true
      return undefined
    }
  }

  async function readAll(tags: readonly TagSource[]): Promise<DataValue[]> {
    if (!connection) throw new Error('not connected')
    if (lost) throw lost
    const { namespaces } = connection
    const known = tags.filter(({ address }) => nodeIdOf(address, namespaces) !== undefined)
    const values = new Map<TagSource, DataValue>()
    for (const [intervalMs, group] of Map.groupBy(known, (tag) => tag.intervalMs ?? DEFAULT_INTERVAL_MS)) {
      const subscription = await subscriptionOf(intervalMs, connection)
      const read = subscription ? await subscription.read(group) : await poll(connection, group, options.timeoutMs)
      for (const [index, tag] of group.entries()) values.set(tag, read[index]!)
    }
    return tags.map((tag) => values.get(tag) ?? bad("the server does not have the address's namespace"))
  }

  return {
    async connect() {
      lost = undefined
      polls = false
      subscriptions = new Map()
      connection = await connectOpcUa(options, (reason) => {
        lost ??= reason
      })
    },
    read: (tags) => readAll(tags),
    async close() {
      const open = connection
      connection = undefined
      await open?.close()
    },
  }
}

class Subscription {
  readonly #subscription: ClientSubscription
  readonly #namespaces: readonly string[]
  readonly #intervalMs: number
  readonly #timeoutMs: number
  readonly #watched = new Map<string, Watch>()
  #aliveAt = performance.now()
  #end: Error | undefined

  static async create(
    { session, namespaces }: OpcUaConnection,
    intervalMs: number,
    timeoutMs: number,
  ): Promise<Subscription> {
    const publishingMs = Math.min(intervalMs, SIGN_OF_LIFE_MS)
    const keepAlive = Math.round(SIGN_OF_LIFE_MS / publishingMs)
    const created = await within(
      timeoutMs,
      session.createSubscription2({
        requestedPublishingInterval: publishingMs,
        requestedMaxKeepAliveCount: keepAlive,
        requestedLifetimeCount: keepAlive * 60,
        publishingEnabled: true,
      }),
    )
    return new Subscription(created, namespaces, intervalMs, timeoutMs)
  }

  private constructor(
    subscription: ClientSubscription,
    namespaces: readonly string[],
    intervalMs: number,
    timeoutMs: number,
  ) {
    this.#subscription = subscription
    this.#namespaces = namespaces
    this.#intervalMs = intervalMs
    this.#timeoutMs = timeoutMs
    for (const sign of ['keepalive', 'received_notifications']) {
      subscription.on(sign, () => (this.#aliveAt = performance.now()))
    }
    subscription.on('terminated', () => (this.#end ??= new Error('the server ended the subscription')))
    for (const fault of ['error', 'internal_error', 'status_changed']) {
      subscription.on(
        fault,
        (reason: unknown) => (this.#end ??= new Error(`the subscription failed: ${messageOf(reason)}`)),
      )
    }
  }

  async read(tags: readonly TagSource[]): Promise<DataValue[]> {
    const now = performance.now()
    const wanted = tags.filter(({ address }) => (this.#watched.get(address)?.until ?? 0) < now)
    for (let from = 0; from < wanted.length; from += NODES_AT_ONCE) {
      await this.#watch(wanted.slice(from, from + NODES_AT_ONCE))
    }
    if (this.#end) throw this.#end
    const { publishingInterval, maxKeepAliveCount } = this.#subscription
    const silentMs = performance.now() - this.#aliveAt
    const longestMs = publishingInterval * maxKeepAliveCount + this.#timeoutMs
    if (silentMs > longestMs) throw new Error(`no sign of life from the server for ${Math.round(silentMs)} ms`)
    return tags.map(({ address }) => this.#watched.get(address)!.value)
  }

  /** Asks the server to watch nodes, and waits for what it says of them first. */
  async #watch(tags: readonly TagSource[]): Promise<void> {
    const group = ClientMonitoredItemGroup.create(
      this.#subscription,
      tags.map(({ address }) => valueOf(address, this.#namespaces)),
      { samplingInterval: this.#intervalMs, queueSize: 1, discardOldest: true },
      TimestampsToReturn.Both,
    )
    const untold = new Set(tags.map(({ address }) => address))
    const { promise: allTold, resolve } = Promise.withResolvers<true>()
    // At once: the first values may arrive before the answer to the request.
    group.on('changed', (_item, value: UaValue, index) => {
      const { address } = tags[index]!
      this.#watched.set(address, { value: decodeOpcUa(value), until: Infinity })
      if (untold.delete(address) && untold.size === 0) resolve(true)
    })
    await within(
      this.#timeoutMs,
      new Promise<void>((made, failed) => {
        group.once('initialized', () => made())
        group.once('err', (message: string) => failed(new Error(message)))
      }),
    )
    for (const [index, { statusCode }] of group.monitoredItems.entries()) {
      const { address } = tags[index]!
      if (statusCode.isGood()) {
        if (untold.has(address)) {
          this.#watched.set(address, { value: bad('the server has not told a value yet'), until: Infinity })
        }
      } else {
        const value = bad(`the server says ${statusCode.name}`)
        this.#watched.set(address, { value, until: performance.now() + MISSING_AFRESH_MS })
        untold.delete(address)
      }
    }
    if (group.monitoredItems.every(({ statusCode }) => !statusCode.isGood())) {
      // The library would keep it, and one more each time that its nodes are asked for; it lets go whatever the server answers.
      await within(this.#timeoutMs, group.terminate()).catch(() => undefined)
    }
    const { publishingInterval } = this.#subscription
    if (untold.size > 0) await within(publishingInterval + this.#timeoutMs, allTold).catch(() => undefined)
  }
}

const valueOf = (address: string, namespaces: readonly string[]) => ({
  nodeId: nodeIdOf(address, namespaces)!,
  attributeId: AttributeIds.Value,
})

async function poll(
  { session, namespaces }: OpcUaConnection,
  tags: readonly TagSource[],
  timeoutMs: number,
): Promise<DataValue[]> {
  const values: DataValue[] = []
  for (let from = 0; from < tags.length; from += NODES_AT_ONCE) {
    const nodes = tags.slice(from, from + NODES_AT_ONCE).map(({ address }) => valueOf(address, namespaces))
    values.push(...(await within(timeoutMs, session.read(nodes))).map(decodeOpcUa))
  }
  return values
}
