/**
 * One live connection for all tabs of a person. A tab holds the lock of the connection and leads: it has the socket, and
 * passes what comes to the others by a BroadcastChannel. The others tell it which plants they want.
 *
 *   follower ──── the lock is free (no leader yet, or its tab was closed) ────► leader
 *      │ ▲
 *      │ └── took the lock from a leader that had stopped answering: that one follows again
 *      └──── opened or looked at, and the leader says nothing for 2 s (its tab is frozen): takes the lock
 *
 * - A leader that begins asks who is there; each tab answers with what it wants, and is given state and snapshot.
 * - Each tab holds a lock of its own for as long as it lives. The leader waits for it: it comes when the tab is gone,
 *   however it ended, and what only that tab wanted is unsubscribed.
 * - A plant that a second tab wants is subscribed again: its snapshot reaches all tabs, which it harms in none.
 */
import { createLiveSocket, type LiveSocket, type LiveSocketOptions, type LiveState } from './live-socket.ts'
import type { LiveServerMessage } from '../../../schemas/live.ts'

type Message =
  // From a leader.
  | { type: 'who' }
  | { type: 'state'; state: LiveState }
  | { type: 'subscribed'; plantId: string }
  | { type: 'message'; message: LiveServerMessage }
  // To the leader.
  | { type: 'want'; tab: string; plantIds: string[] }
  | { type: 'resubscribe'; plantId: string }
  | { type: 'lookedAt' }

/** A leader answers at once, unless its tab is frozen. */
const LEADER_ANSWERS_WITHIN_MS = 2_000

/** `userId`: tabs of different people share nothing. */
export function createSharedLiveSocket(options: LiveSocketOptions & { userId: string }): LiveSocket {
  const name = `live:${options.userId}`
  const tab = crypto.randomUUID()
  const wanted = new Set<string>()
  const stopped = Promise.withResolvers<undefined>()
  let channel: InstanceType<typeof BroadcastChannel> | undefined
  let leading: Leader | undefined
  let everLive = false
  let silence: ReturnType<typeof setTimeout> | undefined
  /** Ends the wait for the lock. */
  let waiting = new AbortController()

  const post = (message: Message) => channel?.postMessage(message)

  function tellWants(): void {
    const plantIds = [...wanted]
    if (leading) leading.want(tab, plantIds)
    else post({ type: 'want', tab, plantIds })
  }

  function onState(state: LiveState): void {
    everLive ||= state === 'live'
    options.onState(everLive && state === 'connecting' ? 'reconnecting' : state)
  }

  /** Leads when the lock is free, or at once with `steal`; until this tab ends, or another takes the lock. */
  async function lead({ steal }: { steal: boolean }): Promise<void> {
    waiting.abort()
    waiting = new AbortController()
    const { signal } = waiting
    try {
      await navigator.locks.request(name, steal ? { steal } : { signal }, async () => {
        if (!channel) return
        clearTimeout(silence)
        leading = createLeader({ ...options, onState, tab, post })
        tellWants()
        post({ type: 'who' })
        await stopped.promise
      })
    } catch (error) {
      if (!(error instanceof DOMException && error.name === 'AbortError')) throw error
      if (signal.aborted) return // for another call of this function
      // Another tab took the lock, because this one had been frozen.
    }
    leading?.stop()
    leading = undefined
    if (!channel) return
    // The new leader asked who is there while this tab still took itself for one.
    tellWants()
    void lead({ steal: false })
  }

  function receive(message: Message): void {
    if (leading) {
      leading.receive(message)
      return
    }
    clearTimeout(silence)
    if (message.type === 'who') tellWants()
    else if (message.type === 'state') onState(message.state)
    else if (message.type === 'subscribed') options.onSubscribed(message.plantId)
    else if (message.type === 'message') options.onMessage(message.message)
  }

  function checkLeader(): void {
    post({ type: 'lookedAt' })
    expectLeader()
  }

  function expectLeader(): void {
    clearTimeout(silence)
    silence = setTimeout(() => void lead({ steal: true }), LEADER_ANSWERS_WITHIN_MS)
  }

  return {
    start() {
      onState('connecting')
      channel = new BroadcastChannel(name)
      channel.onmessage = ({ data }: { data: unknown }) => receive(data as Message)
      void navigator.locks.request(lockOf(tab), async () => {
        if (!channel) return
        tellWants()
        expectLeader()
        void lead({ steal: false })
        await stopped.promise
      })
    },
    stop() {
      channel?.close()
      channel = undefined
      clearTimeout(silence)
      waiting.abort()
      stopped.resolve(undefined)
    },
    subscribe(plantId) {
      wanted.add(plantId)
      tellWants()
    },
    unsubscribe(plantId) {
      wanted.delete(plantId)
      tellWants()
    },
    resubscribe(plantId) {
      if (leading) leading.socket.resubscribe(plantId)
      else post({ type: 'resubscribe', plantId })
    },
    lookedAt: () => (leading ? leading.socket.lookedAt() : checkLeader()),
    networkReturned: () => (leading ? leading.socket.networkReturned() : checkLeader()),
    // A leader hears it itself.
    networkLost: () => leading?.socket.networkLost(),
  }
}

interface Leader {
  socket: LiveSocket
  want(tab: string, plantIds: string[]): void
  receive(message: Message): void
  stop(): void
}

const lockOf = (tab: string) => `live-tab:${tab}`

function createLeader(options: LiveSocketOptions & { tab: string; post: (message: Message) => void }): Leader {
  const { post } = options
  /** This tab's plants, and those of each tab that has told what it wants. */
  const byTab = new Map<string, Set<string>>()
  const ended = new AbortController()
  let state: LiveState = 'connecting'

  /** Every frame is copied for the channel: not where no other tab is there to hear it. */
  function tellOthers(message: Message): void {
    if (byTab.size > Number(byTab.has(options.tab))) post(message)
  }

  const socket = createLiveSocket({
    ...options,
    onState(next) {
      state = next
      options.onState(next)
      tellOthers({ type: 'state', state })
    },
    onMessage(message) {
      options.onMessage(message)
      tellOthers({ type: 'message', message })
    },
    onSubscribed(plantId) {
      options.onSubscribed(plantId)
      tellOthers({ type: 'subscribed', plantId })
    },
  })
  socket.start()

  function want(tab: string, plantIds: string[]): void {
    const before = byTab.get(tab) ?? new Set()
    const now = new Set(plantIds)
    if (!byTab.has(tab) && tab !== options.tab) void forgetWhenGone(tab)
    byTab.set(tab, now)
    for (const plantId of now.difference(before)) socket.subscribe(plantId)
    for (const plantId of before.difference(now)) {
      if (![...byTab.values()].some((plants) => plants.has(plantId))) socket.unsubscribe(plantId)
    }
  }

  async function forgetWhenGone(tab: string): Promise<void> {
    try {
      await navigator.locks.request(lockOf(tab), { signal: ended.signal }, () => {
        want(tab, [])
        byTab.delete(tab)
      })
    } catch (error) {
      if (!ended.signal.aborted) throw error
    }
  }

  return {
    socket,
    want,
    receive(message) {
      if (message.type === 'want') {
        post({ type: 'state', state })
        want(message.tab, message.plantIds)
      } else if (message.type === 'resubscribe') {
        socket.resubscribe(message.plantId)
      } else if (message.type === 'lookedAt') {
        post({ type: 'state', state })
        socket.lookedAt()
      }
    },
    stop() {
      ended.abort()
      socket.stop()
    },
  }
}
