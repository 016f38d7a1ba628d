import type { MachineLedger, OfflineStatusV1, OnlineStatusV1 } from '../../schemas/status.ts'
import type { Log } from './log.ts'
import type { MqttConnection, Publish, Session } from './mqtt-connection.ts'

const INTERVAL_MS = 10_000
/** AWS IoT ends the connection of who publishes more. */
const MAX_STATUS_BYTES = 128 * 1024
/** How long an orderly stop waits for the broker to take its last word. */
const FAREWELL_MS = 2000

/** What only the other parts of the agent know, asked for at each beat. */
export interface Vitals {
  plcLink: 'up' | 'down'
  buffer: OnlineStatusV1['health']['buffer']
  ledger: Record<string, MachineLedger>
  outboxSetAside: OnlineStatusV1['outboxSetAside']
}

/** The status that ends a session: the broker's will, or the agent's own farewell. */
export function offlineStatus(topic: string, reason: OfflineStatusV1['reason'], sessionId: string): Publish {
  const status: OfflineStatusV1 = { schemaVersion: 1, timestamp: Date.now(), state: 'offline', reason, sessionId }
  return { topic, payload: JSON.stringify(status), retain: true }
}

/** Publishes the gateway's status when a session begins, every 10 s, and when something in it has changed. */
export class Heartbeat {
  readonly #topicOf: () => string
  readonly #gateway: { thingName: string; version: string }
  readonly #vitals: () => Vitals
  readonly #log: Log
  #session: Session | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: {
    topicOf: () => string
    gateway: { thingName: string; version: string }
    connection: Pick<MqttConnection, 'onSession'>
    vitals: () => Vitals
    log: Log
  }) {
    this.#topicOf = options.topicOf
    this.#gateway = options.gateway
    this.#vitals = options.vitals
    this.#log = options.log
    options.connection.onSession((session) => {
      this.#session = session
      clearInterval(this.#timer)
      if (!session) return
      // After the others have heard of the session too: the first beat tells of them.
      queueMicrotask(() => this.beat())
      this.#timer = setInterval(() => this.beat(), INTERVAL_MS)
    })
  }

  /** Publishes now; nothing without a session, whose end the will has told. */
  beat(): void {
    this.#session?.publish(
      { topic: this.#topicOf(), payload: this.#payload(this.#session.id), retain: true },
      () => undefined,
    )
  }

  /** Says that this is an orderly stop; resolves when the broker has taken it, or after a while. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    const session = this.#session
    this.#session = undefined
    if (!session) return
    await new Promise<void>((resolve) => {
      setTimeout(resolve, FAREWELL_MS).unref()
      session.publish(offlineStatus(this.#topicOf(), 'shutdown', session.id), resolve)
    })
  }

  #payload(sessionId: string): string {
    const { ledger, ...status } = this.#status(sessionId)
    const whole = JSON.stringify({ ...status, ledger })
    if (Buffer.byteLength(whole) <= MAX_STATUS_BYTES) return whole
    this.#log.warnOften(
      'ledger',
      `heartbeat: the ledger of ${Object.keys(ledger!).length} machines is longer than AWS IoT takes, and left out: the cloud ` +
        'cannot tell what is missing; share the machines among more gateways',
    )
    return JSON.stringify(status)
  }

  #status(sessionId: string): OnlineStatusV1 {
    const { plcLink, buffer, ledger, outboxSetAside } = this.#vitals()
    return {
      schemaVersion: 1,
      timestamp: Date.now(),
      state: 'online',
      sessionId,
      gateway: { ...this.#gateway, uptimeSec: Math.floor(process.uptime()) },
      // A status that arrives has proved the first two.
      health: { internet: 'up', mqtt: 'up', plcLink, buffer },
      ledger,
      ...(outboxSetAside && { outboxSetAside }),
    }
  }
}
