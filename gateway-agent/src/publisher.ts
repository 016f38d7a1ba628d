import { messageOf } from './failure.ts'
import type { Log } from './log.ts'
import type { MqttConnection, Session } from './mqtt-connection.ts'
import type { Outbox, StoredMessage } from './outbox.ts'
import { TokenBucket } from './token-bucket.ts'

/** IoT Core allows 100 unacknowledged publishes per client: messages in flight, and with those that were sent twice. */
const WINDOW = 64
const MOST_UNACKNOWLEDGED = 96
const ACK_TIMEOUT_MS = 10_000
/**
 * Live messages beyond this many seconds of the budget become backlog. Machines that are read at the same instant are a
 * burst of as many messages, which the budget sends before the next instant.
 */
const LIVE_LAG_SEC = 10
/** Acknowledged messages are removed together: each transaction is a write to a flash disk. */
const REMOVE_AFTER_MS = 200

interface InFlight {
  message: StoredMessage
  /** Of the last publish, and of the one before where that has not been acknowledged: its PUBACK may be late. */
  messageIds: number[]
  sentAt: number
}

/**
 * Empties the outbox into the broker. A message is always in one of these states:
 *
 *   stored -> in flight -> acknowledged -> removed
 *     ^        |    ^
 *     |        +----+  no PUBACK in time: published once more
 *     +--- the session ended
 *
 * A late PUBACK of the first of two publishes counts as well: a line that is slower than the time-out still empties the
 * outbox. A message is removed only after its PUBACK: a crash at any point repeats a message and loses none, and the cloud knows it by
 * its seq.
 *
 * Live first. When a session begins, everything in the outbox is backlog: ids up to `#boundary`. What is added later is
 * live and goes first, so that a screen shows the present at once; the backlog follows, oldest first, with what is left
 * of the budget. Two cursors walk the ids, each upwards. When live messages themselves cannot keep up (the broker was slow
 * for a while), they become backlog too: the boundary moves to the newest.
 */
export class Publisher {
  readonly #outbox: Outbox
  readonly #topicOf: (machine: string) => string
  readonly #log: Log
  #publishesPerSecond: number
  readonly #ackTimeoutMs: number
  /** By id, the longest unanswered first. */
  readonly #inFlight = new Map<number, InFlight>()
  readonly #acknowledged = new Set<number>()
  #unacknowledged = 0
  #live: StoredMessage[] = []
  #backlog: StoredMessage[] = []
  #boundary = 0
  #liveCursor = 0
  #backlogCursor = 0
  #hasBacklog = false
  #session: Session | undefined
  #bucket: TokenBucket
  #isStopping = false
  #pumpTimer: NodeJS.Timeout | undefined
  #removeTimer: NodeJS.Timeout | undefined
  #ackTimer: NodeJS.Timeout | undefined
  #allAcknowledged: () => void = () => undefined

  constructor(options: {
    outbox: Outbox
    connection: Pick<MqttConnection, 'onSession'>
    topicOf: (machine: string) => string
    publishesPerSecond: number
    log: Log
    ackTimeoutMs?: number
  }) {
    this.#outbox = options.outbox
    this.#topicOf = options.topicOf
    this.#log = options.log
    this.#publishesPerSecond = options.publishesPerSecond
    this.#ackTimeoutMs = options.ackTimeoutMs ?? ACK_TIMEOUT_MS
    this.#bucket = new TokenBucket(options.publishesPerSecond, performance.now())
    this.#outbox.onAdded(() => this.#pumpIn(0))
    options.connection.onSession((session) => this.#begin(session))
  }

  set publishesPerSecond(rate: number) {
    if (rate === this.#publishesPerSecond) return
    this.#publishesPerSecond = rate
    this.#bucket = new TokenBucket(rate, performance.now())
  }

  get mode(): 'live' | 'draining' | 'storing' {
    if (!this.#session) return 'storing'
    return this.#hasBacklog ? 'draining' : 'live'
  }

  /** Sends nothing new, and waits a while for what is in flight; the rest stays in the outbox. */
  async stop(waitMs: number): Promise<void> {
    this.#isStopping = true
    clearTimeout(this.#pumpTimer)
    if (this.#session && this.#inFlight.size > 0) {
      await new Promise<void>((resolve) => {
        this.#allAcknowledged = resolve
        setTimeout(resolve, waitMs).unref()
      })
    }
    clearInterval(this.#ackTimer)
    clearTimeout(this.#removeTimer)
    this.#remove()
  }

  /** A new session begins with everything unsent; the end of one leaves all in the outbox. */
  #begin(session: Session | undefined): void {
    this.#session = session
    this.#inFlight.clear()
    this.#allAcknowledged()
    this.#unacknowledged = 0
    this.#live = []
    this.#backlog = []
    clearInterval(this.#ackTimer)
    clearTimeout(this.#pumpTimer)
    this.#pumpTimer = undefined
    if (!session) return
    this.#boundary = this.#outbox.lastId
    this.#liveCursor = this.#boundary
    this.#backlogCursor = 0
    this.#hasBacklog = this.#outbox.count > this.#acknowledged.size
    this.#ackTimer = setInterval(() => this.#watchUnanswered(), this.#ackTimeoutMs / 4)
    this.#pumpIn(0)
  }

  /** Pumps outside the caller's turn: what goes wrong here must not fail the poller that added a reading. */
  #pumpIn(delayMs: number): void {
    if (this.#pumpTimer || !this.#session || this.#isStopping) return
    this.#pumpTimer = setTimeout(() => {
      this.#pumpTimer = undefined
      try {
        this.#pump()
      } catch (error) {
        this.#log.warnOften('publisher', `publisher: cannot read the outbox: ${messageOf(error)}`)
        this.#pumpIn(1000)
      }
    }, delayMs)
  }

  #pump(): void {
    const session = this.#session
    if (!session) return
    for (;;) {
      const unanswered = this.#unanswered()
      const isFull = this.#inFlight.size >= WINDOW || this.#unacknowledged >= MOST_UNACKNOWLEDGED
      const queue = unanswered || isFull ? undefined : this.#nextQueue()
      if (!unanswered && !queue) return
      const { machine, payload } = unanswered?.message ?? queue![0]!
      if (!this.#bucket.take(performance.now(), this.#topicOf(machine).length + Buffer.byteLength(payload))) {
        this.#pumpIn(Math.ceil(this.#bucket.waitMs))
        return
      }
      if (unanswered) this.#sendAgain(session, unanswered)
      else this.#send(session, { message: queue!.shift()!, messageIds: [], sentAt: 0 })
    }
  }

  #send(session: Session, inFlight: InFlight): void {
    const { message } = inFlight
    const publish = { topic: this.#topicOf(message.machine), payload: message.payload }
    const messageId = session.publish(publish, () => {
      if (this.#session === session) this.#acknowledge(message.id, messageId)
    })
    inFlight.messageIds.push(messageId)
    inFlight.sentAt = performance.now()
    this.#unacknowledged += 1
    this.#inFlight.set(message.id, inFlight)
  }

  #sendAgain(session: Session, inFlight: InFlight): void {
    const { messageIds } = inFlight
    if (messageIds.length > 1 || this.#unacknowledged >= MOST_UNACKNOWLEDGED) this.#forget(session, messageIds.shift()!)
    // To the end: the map is ordered by the time of sending.
    this.#inFlight.delete(inFlight.message.id)
    this.#send(session, inFlight)
  }

  #forget(session: Session, messageId: number): void {
    session.forget(messageId)
    this.#unacknowledged -= 1
  }

  #acknowledge(id: number, messageId: number): void {
    const inFlight = this.#inFlight.get(id)
    if (!inFlight || !this.#session) return
    this.#unacknowledged -= 1
    for (const other of inFlight.messageIds) if (other !== messageId) this.#forget(this.#session, other)
    this.#inFlight.delete(id)
    this.#acknowledged.add(id)
    this.#removeTimer ??= setTimeout(() => this.#remove(), REMOVE_AFTER_MS)
    if (this.#inFlight.size === 0) this.#allAcknowledged()
    this.#pumpIn(0)
  }

  #remove(): void {
    this.#removeTimer = undefined
    if (this.#acknowledged.size === 0) return
    try {
      this.#outbox.remove([...this.#acknowledged])
      this.#acknowledged.clear()
    } catch (error) {
      this.#log.warnOften('publisher', `publisher: cannot remove sent messages from the outbox: ${messageOf(error)}`)
    }
  }

  #watchUnanswered(): void {
    if (!this.#unanswered()) return
    this.#log.warnOften(
      'unanswered',
      `publisher: no PUBACK for ${this.#ackTimeoutMs / 1000} s; what is unanswered is sent again`,
    )
    this.#pumpIn(0)
  }

  /** The message that has waited for its PUBACK longest, once that is too long. */
  #unanswered(): InFlight | undefined {
    const [longest] = this.#inFlight.values()
    return longest && performance.now() - longest.sentAt >= this.#ackTimeoutMs ? longest : undefined
  }

  /** The queue whose first message is next: live, then backlog. */
  #nextQueue(): StoredMessage[] | undefined {
    const lag = this.#outbox.lastId - this.#liveCursor + this.#live.length
    if (lag > this.#publishesPerSecond * LIVE_LAG_SEC) this.#giveUpLive()
    if (this.#live.length === 0) {
      this.#live = this.#outbox.peek({ after: this.#liveCursor, until: this.#outbox.lastId, limit: WINDOW })
      this.#liveCursor = this.#live.at(-1)?.id ?? this.#liveCursor
    }
    if (this.#live.length > 0) return this.#live
    if (this.#backlog.length === 0) this.#refillBacklog()
    return this.#backlog.length > 0 ? this.#backlog : undefined
  }

  #giveUpLive(): void {
    this.#live = []
    this.#boundary = this.#outbox.lastId
    this.#liveCursor = this.#boundary
    this.#hasBacklog = true
  }

  #refillBacklog(): void {
    while (this.#hasBacklog && this.#backlog.length === 0) {
      const found = this.#outbox.peek({ after: this.#backlogCursor, until: this.#boundary, limit: WINDOW })
      this.#hasBacklog = found.length > 0
      this.#backlogCursor = found.at(-1)?.id ?? this.#boundary
      // Live messages that are on their way stand between those that have become backlog.
      this.#backlog = found.filter(({ id }) => !this.#inFlight.has(id) && !this.#acknowledged.has(id))
    }
  }
}
