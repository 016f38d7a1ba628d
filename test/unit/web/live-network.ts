import { vi } from 'vitest'
import type { LiveServerMessage } from '../../../schemas/live.ts'
import type { OpenWebSocket } from '../../../web/src/live/live-link.ts'
import { createLiveSocket, type LiveState } from '../../../web/src/live/live-socket.ts'
import { frames, machine, PLANT } from './live-fixtures.ts'

/** A network: opens what it is asked for unless it is down, and keeps what was sent. */
export function setUp() {
  const opened: FakeSocket[] = []
  const states: LiveState[] = []
  const messages: LiveServerMessage[] = []
  const network = { tickets: 0, ticketFails: false, opens: true, hangs: false, answers: true, pongs: true }

  const snapshot = () => frames('snapshot', 1, [machine(1, 1)])

  class FakeSocket {
    readonly url: string
    readonly events: Parameters<OpenWebSocket>[1]
    readonly sent: { type: string; plant?: string }[] = []
    closed = false
    constructor(url: string, events: Parameters<OpenWebSocket>[1]) {
      this.url = url
      this.events = events
      opened.push(this)
      if (network.hangs) return
      setTimeout(() => (network.opens ? events.opened() : events.closed()), 10)
    }
    send(data: string): void {
      const message = JSON.parse(data) as { type: string }
      this.sent.push(message)
      if (message.type === 'subscribe' && network.answers) setTimeout(() => this.give(...snapshot()), 10)
      if (message.type === 'ping' && network.pongs) setTimeout(() => this.give({ type: 'pong' }), 10)
    }
    close(): void {
      this.closed = true
    }
    give(...given: object[]): void {
      for (const message of given) this.events.message(JSON.stringify(message))
    }
    count(type: string): number {
      return this.sent.filter((message) => message.type === type).length
    }
  }

  const socket = createLiveSocket({
    takeTicket: async () => {
      network.tickets += 1
      if (network.ticketFails) throw new Error('no ticket')
      await Promise.resolve()
      return { url: 'wss://live.example/prod', ticket: `t${network.tickets}`, expiresAt: 0 }
    },
    openWebSocket: (url, events) => new FakeSocket(url, events),
    onState: (state) => {
      if (states.at(-1) !== state) states.push(state)
    },
    onMessage: (message) => messages.push(message),
    onSubscribed: () => undefined,
    random: () => 0.5,
  })
  return { socket, opened, states, messages, network, snapshot, last: () => opened.at(-1)! }
}

/** A live socket that has its first snapshot. */
export async function connected() {
  const test = setUp()
  test.socket.subscribe(PLANT)
  test.socket.start()
  await vi.advanceTimersByTimeAsync(30)
  return test
}
