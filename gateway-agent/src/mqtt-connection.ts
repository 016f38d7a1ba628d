import { randomUUID } from 'node:crypto'
import { isIP, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import { MqttClient } from 'mqtt'
import { writeToStream } from 'mqtt-packet'
import { Backoff } from './backoff.ts'
import type { Identity } from './identity.ts'
import type { Log } from './log.ts'
import { addressesOf, type MqttAddress } from './mqtt-endpoint.ts'
import { explain } from './mqtt-faults.ts'
import { openTunnel, type Proxy } from './proxy-tunnel.ts'

// Else mqtt.js makes a Buffer ahead for each of 65,536 numbers: 6.7 MB, a quarter of what the agent has to itself.
writeToStream.cacheNumbers = false

/** IoT Core takes one CONNECT per second and clientId. */
const RECONNECT = { firstMs: 1000, longestMs: 60_000 }
/** IoT Core's smallest keep-alive; it declares a client dead at 1.5 times. */
export const KEEPALIVE_SECONDS = 30
const CONNECT_TIMEOUT_MS = 15_000
const DISCONNECT_MS = 1000
/** Publishes wait, and nothing at all has been acknowledged for this long: the connection is dead, whatever TCP says. */
const NO_ACK_MS = 30_000
/** A session that lasted this long was a good one: the next attempt comes soon, and its failure is said at once. */
const STABLE_MS = 20_000
/** So many sessions that ended young within a minute are no weather. */
const CLASH = { sessions: 3, withinMs: 60_000 }

export interface Publish {
  topic: string
  payload: string
  retain?: boolean
}

/** One connection, from CONNACK to its end. */
export interface Session {
  /** New at each connect; also in the will, so that the cloud can tell a late will from the present session. */
  readonly id: string
  /** Publishes at QoS 1 and calls `acknowledged` after the PUBACK, never for a session that has ended. Returns its message id. */
  publish: (message: Publish, acknowledged: () => void) => number
  /** Stops waiting for a PUBACK: the message is about to be published again. */
  forget: (messageId: number) => void
}

export type ConnectionCondition =
  | { isConnected: true; address: string; since: number }
  | { isConnected: false; reason: string; since: number }

export type BrokerIdentity = Pick<Identity, 'thingName' | 'endpoint' | 'certificatePem' | 'privateKey' | 'caPem'>

export interface MqttConnectionOptions {
  /** The one to try first, and where there are two, the one that is good as long as the first is not. */
  identities: readonly BrokerIdentity[]
  port: number | 'auto'
  proxy?: Proxy | undefined
  will: (sessionId: string) => Publish
  log: Log
}

/**
 * The gateway's one connection to the broker: MQTT 3.1.1, clean sessions (the outbox is the store), clientId = thingName.
 * mqtt.js does a single session; connecting again is done here, because each session has its own will, port and back-off.
 */
export class MqttConnection {
  #options: MqttConnectionOptions
  readonly #listeners: ((session: Session | undefined) => void)[] = []
  #onProven: (identity: BrokerIdentity) => void = () => undefined
  readonly #backoff = new Backoff(RECONNECT)
  readonly #stopping = new AbortController()
  /** Ends the present wait. */
  #waiting = new AbortController()
  readonly #ended: Promise<void>
  #session: Session | undefined
  #connectedAs: BrokerIdentity | undefined
  #client: MqttClient | undefined
  #condition: ConnectionCondition = { isConnected: false, reason: 'not tried yet', since: Date.now() }
  #lossTimes: number[] = []
  /** What the next attempt is made with; after a failure the other identity, then the next address. */
  #next = { identity: 0, address: 0 }
  /** The present session was ended here, to begin another. */
  #isReplacing = false

  constructor(options: MqttConnectionOptions) {
    this.#options = options
    this.#ended = this.#run()
  }

  /** Where the agent is connected to, or why it is not; times in epoch ms. */
  get condition(): ConnectionCondition {
    return this.#condition
  }

  /** Goes another way to the broker from now on; the present session ends when the way has changed. */
  reconfigure(way: Pick<MqttConnectionOptions, 'port' | 'proxy'>): void {
    const { port, proxy } = this.#options
    if (isDeepStrictEqual({ port, proxy }, { port: way.port, proxy: way.proxy })) return
    this.#options = { ...this.#options, ...way }
    this.#backoff.reset()
    this.#options.log.settled('mqtt')
    this.#client?.stream.destroy()
    this.#waiting.abort()
  }

  /**
   * Connects as one of these from now on. A session by the first of them goes on; any other ends in order, without its
   * will, and the next begins at once.
   */
  use(identities: readonly BrokerIdentity[]): void {
    this.#options = { ...this.#options, identities }
    this.#next.identity = 0
    if (this.#session && this.#connectedAs !== identities[0] && this.#client) {
      this.#isReplacing = true
      this.#backoff.reset()
      end(this.#client)
    }
    this.#waiting.abort()
  }

  /** `listener` hears once per session by whose certificate the broker takes what is published: its first PUBACK has come. */
  onProven(listener: (identity: BrokerIdentity) => void): void {
    this.#onProven = listener
  }

  /** `listener` hears of each session when it begins, and undefined when it has ended. */
  onSession(listener: (session: Session | undefined) => void): void {
    this.#listeners.push(listener)
    if (this.#session) listener(this.#session)
  }

  /** Disconnects in order, so that the broker drops the will. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    if (this.#client) end(this.#client)
    await this.#ended
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    for (;;) {
      const { address, identity } = this.#candidate()
      const begin = performance.now()
      const { wasConnected, error } = await this.#runSession(address, identity)
      if (signal.aborted) return
      if (this.#isReplacing) {
        this.#isReplacing = false
        this.#condition = { isConnected: false, reason: 'connecting anew', since: Date.now() }
        continue
      }
      if (performance.now() - begin > STABLE_MS) {
        this.#backoff.reset()
        this.#options.log.settled('mqtt')
      }
      if (wasConnected) this.#watchForClash()
      else this.#tryAnother()
      const waitMs = this.#backoff.nextMs()
      const reason = explain(error, address, wasConnected)
      this.#condition = { isConnected: false, reason, since: wasConnected ? Date.now() : this.#condition.since }
      this.#options.log.warnOften('mqtt', `mqtt: ${reason}; next attempt in ${(waitMs / 1000).toFixed(1)} s`)
      this.#waiting = new AbortController()
      await sleep(waitMs, true, { signal: AbortSignal.any([signal, this.#waiting.signal]) }).catch(() => false)
      // Read anew: the wait may have ended because of it.
      if (this.#stopping.signal.aborted) return
    }
  }

  #candidate(): { address: MqttAddress; identity: BrokerIdentity } {
    const { identities, port } = this.#options
    const identity = identities[this.#next.identity % identities.length]!
    const addresses = addressesOf(identity.endpoint, port)
    return { identity, address: addresses[this.#next.address % addresses.length]! }
  }

  #tryAnother(): void {
    this.#next.identity += 1
    if (this.#next.identity % this.#options.identities.length === 0) this.#next.address += 1
  }

  /** From the attempt to the end of the session, or to its failure. */
  async #runSession(
    address: MqttAddress,
    identity: BrokerIdentity,
  ): Promise<{ wasConnected: boolean; error: unknown }> {
    const { promise, resolve } = Promise.withResolvers<{ wasConnected: boolean; error: unknown }>()
    const id = randomUUID()
    const options = this.#options
    let wasConnected = false
    let error: unknown
    const onError = (fault: Error) => {
      error ??= fault
    }
    let client: MqttClient
    try {
      const { proxy } = options
      const tunnel = proxy && (await openTunnel(proxy, address, CONNECT_TIMEOUT_MS))
      if (this.#stopping.signal.aborted) {
        tunnel?.destroy()
        return { wasConnected, error }
      }
      client = this.#open(address, identity, tunnel, id, onError)
    } catch (fault) {
      // Of the proxy; or OpenSSL refuses a damaged CA file.
      return { wasConnected, error: fault }
    }
    this.#client = client
    let stopWatching = () => {}

    client.on('connect', () => {
      if (this.#options !== options) {
        // Told to go another way while this one was being opened.
        this.#isReplacing = true
        end(client)
        return
      }
      wasConnected = true
      this.#condition = { isConnected: true, address: `${address.host}:${address.port}`, since: Date.now() }
      this.#options.log.info(`mqtt: connected to ${address.host}:${address.port} as ${identity.thingName}`)
      const { session, stop } = watchedSession(client, id, {
        onDead: () => {
          error = new Error(`no PUBACK for ${NO_ACK_MS / 1000} s`)
          client.stream.destroy()
        },
        onProven: () => this.#onProven(identity),
      })
      stopWatching = stop
      this.#connectedAs = identity
      this.#tell(session)
    })
    client.on('error', onError)
    client.once('close', () => {
      stopWatching()
      // Ends what mqtt.js still holds; an error that comes late from the socket still finds a listener.
      client.end(true)
      if (wasConnected) this.#tell(undefined)
      resolve({ wasConnected, error })
    })
    return promise
  }

  #open(
    { host, port, alpn }: MqttAddress,
    identity: BrokerIdentity,
    tunnel: Socket | undefined,
    sessionId: string,
    onError: (error: Error) => void,
  ): MqttClient {
    const { will } = this.#options
    const { topic, payload, retain } = will(sessionId)
    // Not mqtt.connect, which loads WebSockets and SOCKS proxies besides: 3 MB for nothing.
    const openStream = () =>
      connectTls({
        host,
        port,
        ...(tunnel && { socket: tunnel }),
        // An address has no name to send (RFC 6066, section 3); the certificate must hold it all the same.
        ...(!isIP(host) && { servername: host }),
        ...(alpn && { ALPNProtocols: [alpn] }),
        key: identity.privateKey.export({ type: 'pkcs8', format: 'pem' }),
        cert: identity.certificatePem,
        ca: identity.caPem,
      }).on('error', onError)
    return new MqttClient(openStream, {
      clientId: identity.thingName,
      protocolVersion: 4,
      clean: true,
      keepalive: KEEPALIVE_SECONDS,
      // Publishing must not put off the ping: without it a dead line would only show when TCP gives up.
      reschedulePings: false,
      timerVariant: 'native',
      connectTimeout: CONNECT_TIMEOUT_MS,
      reconnectPeriod: 0,
      will: { topic, payload: Buffer.from(payload), qos: 1, retain: retain ?? false },
    })
  }

  #tell(session: Session | undefined): void {
    this.#session = session
    for (const listener of this.#listeners) listener(session)
  }

  #watchForClash(): void {
    const now = performance.now()
    this.#lossTimes = [...this.#lossTimes.filter((at) => now - at < CLASH.withinMs), now]
    if (this.#lossTimes.length < CLASH.sessions) return
    this.#options.log.warnOften(
      'clash',
      `mqtt: ${this.#lossTimes.length} sessions ended within a minute. Does another computer use the identity of ` +
        `${this.#options.identities[0]!.thingName} (a copied disk)? Or does the policy refuse what this gateway publishes?`,
    )
  }
}

/** DISCONNECT when there is a session, after which the socket gets a moment to go. */
function end(client: MqttClient): void {
  if (!client.connected) return void client.end(true)
  // mqtt.js would first wait for every PUBACK; what is unacknowledged is in the outbox.
  for (const messageId of Object.keys(client.outgoing)) client.removeOutgoingMessage(Number(messageId))
  client.end()
  setTimeout(() => client.stream.destroy(), DISCONNECT_MS).unref()
}

/**
 * A session whose publishes are watched: `onProven` at the first PUBACK, `onDead` when some wait and none has been
 * acknowledged for too long.
 */
function watchedSession(
  client: MqttClient,
  id: string,
  { onDead, onProven }: { onDead: () => void; onProven: () => void },
): { session: Session; stop: () => void } {
  let waiting = 0
  let hasEnded = false
  let isProven = false
  /** Since when publishes wait without any PUBACK; sending one again does not make it younger. */
  let silentSince: number | undefined
  const timer = setInterval(() => {
    if (silentSince !== undefined && performance.now() - silentSince > NO_ACK_MS) onDead()
  }, NO_ACK_MS / 6)
  const session: Session = {
    id,
    publish({ topic, payload, retain }, acknowledged) {
      silentSince ??= performance.now()
      waiting += 1
      client.publish(topic, payload, { qos: 1, retain: retain ?? false }, (error) => {
        waiting -= 1
        if (error || hasEnded) return
        silentSince = waiting > 0 ? performance.now() : undefined
        if (!isProven) onProven()
        isProven = true
        acknowledged()
      })
      return client.getLastMessageId()
    },
    forget: (messageId) => void client.removeOutgoingMessage(messageId),
  }
  return {
    session,
    stop() {
      hasEnded = true
      clearInterval(timer)
    },
  }
}
