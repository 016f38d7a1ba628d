/**
 * The live connection of the page, over as many WebSockets as it takes.
 *
 *   connecting ──── open ────► live ──── closed, silent, unanswered ────► reconnecting
 *       ▲  │ failed: back-off    ▲                                            │  │ failed: back-off, again
 *       └──┘                     └──────────────────── open ──────────────────┘◄─┘
 *
 *   Any of them becomes offline when the browser says that there is no network; the attempts go on, and the next sign of
 *   life (network back, an open connection, a message) leads out of it.
 *
 * What makes it hard, and how it is held:
 *
 * - A connection needs a ticket (POST /v1/realtime/ticket, single use, 30 s), so every attempt begins with one. At most one
 *   attempt counts: a newer one (the network came back) overtakes it, and whatever the older still brings is closed.
 * - API Gateway ends every connection after 2 h. Some minutes before that (jittered, so that a plant's browsers do not
 *   all come at once) a second one is opened, and the first is closed only when the second is open: nobody sees a break.
 *   The same replacement is made when the network has returned or the computer has woken: whether the old connection
 *   survived that is not worth the wait to know.
 * - `live-link.ts` turns every silent death into `closed`. What is lost between two connections is not counted or asked
 *   for: at each opening all plants are subscribed again, and the snapshot is the truth.
 * - A subscribe that gets no answer in 10 s, or a server that no longer knows the connection or cannot answer a ping (Redis is
 *   away, so that nothing more would come), ends the connection.
 * - The back-off returns to its beginning with the first message, not with the opening: a server that accepts and hangs
 *   up at once must not be asked twice a second.
 */
import type { RealtimeTicket } from '../../../schemas/api.ts'
import type { LiveServerMessage } from '../../../schemas/live.ts'
import { backoffMs } from './backoff.ts'
import { openLiveLink, type LiveLink, type OpenWebSocket } from './live-link.ts'
import { createSubscriptions } from './subscriptions.ts'

export type LiveState = 'connecting' | 'live' | 'reconnecting' | 'offline'

export interface LiveSocketOptions {
  takeTicket(): Promise<RealtimeTicket>
  openWebSocket: OpenWebSocket
  onState(state: LiveState): void
  onMessage(message: LiveServerMessage): void
  /** A subscribe went out: until the snapshot is there, the picture of this plant may lack changes. */
  onSubscribed(plantId: string): void
  random?: () => number
}

export interface LiveSocket {
  start(): void
  stop(): void
  subscribe(plantId: string): void
  unsubscribe(plantId: string): void
  /** A frame was lost: asks for a fresh snapshot, at most once a second. */
  resubscribe(plantId: string): void
  /** The page can be seen again: checks the connection, or tries at once if there is none. */
  lookedAt(): void
  /** The network is back, or the computer woke: connects anew. */
  networkReturned(): void
  networkLost(): void
}

const REPLACE_AFTER_MS = 105 * 60_000
const REPLACE_JITTER_MS = 10 * 60_000
const REPLACE_AGAIN_MS = 30_000

export function createLiveSocket(options: LiveSocketOptions): LiveSocket {
  const random = options.random ?? Math.random
  const subscriptions = createSubscriptions({
    send: (message) => current?.send(message),
    onSubscribed: (plantId) => options.onSubscribed(plantId),
    onUnanswered: () => current?.close(),
  })
  let running = false
  let online = true
  let everLive = false
  let told: LiveState = 'connecting'
  let attempt = 0
  let current: LiveLink | undefined
  /** The attempt under way, if any; one that was overtaken by another finds itself replaced here. */
  let opening: object | undefined
  let retry: ReturnType<typeof setTimeout> | undefined
  let replacement: ReturnType<typeof setTimeout> | undefined

  async function connect(): Promise<void> {
    const mine = {}
    opening = mine
    clearTimeout(retry)
    const overtaken = () => opening !== mine
    try {
      const { url, ticket } = await options.takeTicket()
      if (overtaken()) return
      const link = openLiveLink(`${url}?ticket=${encodeURIComponent(ticket)}`, options.openWebSocket, {
        opened: () => (overtaken() ? link.close() : use(link)),
        message: receive,
        closed: () => {
          if (link === current) lostCurrent()
          else if (!overtaken()) failedToOpen()
        },
      })
    } catch {
      if (!overtaken()) failedToOpen()
    }
  }

  function use(link: LiveLink): void {
    opening = undefined
    const previous = current
    current = link
    previous?.close()
    clearTimeout(replacement)
    replacement = setTimeout(() => void connect(), REPLACE_AFTER_MS + random() * REPLACE_JITTER_MS)
    foundLive()
    subscriptions.subscribeAll()
  }

  function foundLive(): void {
    online = true
    everLive = true
    tell('live')
  }

  function tell(state: LiveState): void {
    told = state
    options.onState(state)
  }

  function receive(message: LiveServerMessage): void {
    const wasAway = told !== 'live'
    attempt = 0
    foundLive()
    // Who was told so takes no picture for a true one but that of a new snapshot.
    if (wasAway) subscriptions.subscribeAll()
    subscriptions.received(message)
    if (message.type === 'error' && isEnd(message)) current?.close()
    else options.onMessage(message)
  }

  function lostCurrent(): void {
    current = undefined
    clearTimeout(replacement)
    subscriptions.pause()
    if (!running) return
    if (online) tell('reconnecting')
    if (!opening) connectLater()
  }

  function failedToOpen(): void {
    opening = undefined
    if (current) {
      clearTimeout(replacement)
      replacement = setTimeout(() => void connect(), REPLACE_AGAIN_MS)
    } else {
      connectLater()
    }
  }

  function connectLater(): void {
    clearTimeout(retry)
    retry = setTimeout(() => void connect(), backoffMs(attempt, random))
    attempt += 1
  }

  return {
    start() {
      running = true
      tell('connecting')
      void connect()
    },
    stop() {
      running = false
      opening = undefined
      clearTimeout(retry)
      clearTimeout(replacement)
      current?.close()
      subscriptions.pause()
    },
    subscribe: (plantId) => subscriptions.add(plantId),
    unsubscribe: (plantId) => subscriptions.remove(plantId),
    resubscribe: (plantId) => subscriptions.again(plantId),
    lookedAt() {
      if (current) current.probe()
      else if (running && !opening) void connect()
    },
    networkReturned() {
      if (!running) return
      online = true
      attempt = 0
      tell(everLive ? 'reconnecting' : 'connecting')
      void connect()
    },
    networkLost() {
      online = false
      tell('offline')
    },
  }
}

const isEnd = ({ code, plant }: Extract<LiveServerMessage, { type: 'error' }>) =>
  code === 'not_connected' || (code === 'internal' && plant === undefined)
