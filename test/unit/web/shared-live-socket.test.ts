import { afterEach, describe, expect, it, vi } from 'vitest'
import type { LiveServerMessage } from '../../../schemas/live.ts'
import type { OpenWebSocket } from '../../../web/src/live/live-link.ts'
import type { LiveSocket, LiveState } from '../../../web/src/live/live-socket.ts'
import { createSharedLiveSocket } from '../../../web/src/live/shared-live-socket.ts'
import { frames, machine, PLANT } from './live-fixtures.ts'

/** Node has the browser's own locks and channels: tabs here are objects, all else is real. */
const OTHER_PLANT = PLANT.replace(/^./, (digit) => (digit === '1' ? '2' : '1'))

interface Server {
  sockets: { sent: { type: string; plant?: string }[]; open: boolean; give: (message: LiveServerMessage) => void }[]
}

interface Tab {
  socket: LiveSocket
  states: LiveState[]
  messages: LiveServerMessage[]
  subscribed: string[]
}

const tabs: Tab[] = []
afterEach(() => {
  for (const { socket } of tabs.splice(0)) socket.stop()
})

const openSockets = ({ sockets }: Server) => sockets.filter((socket) => socket.open)
const sentTo = (server: Server) =>
  openSockets(server).flatMap(({ sent }) => sent.map(({ type, plant }) => `${type} ${plant}`))

function openTab(server: Server, userId: string): Tab {
  const tab: Omit<Tab, 'socket'> = { states: [], messages: [], subscribed: [] }
  const openWebSocket: OpenWebSocket = (_url, events) => {
    const socket: Server['sockets'][number] = {
      ...{ sent: [], open: true },
      give: (message) => events.message(JSON.stringify(message)),
    }
    server.sockets.push(socket)
    queueMicrotask(() => events.opened())
    return {
      send: (text) => socket.sent.push(JSON.parse(text) as { type: string }),
      close: () => (socket.open = false),
    }
  }
  const socket = createSharedLiveSocket({
    ...{ userId, openWebSocket },
    takeTicket: () => Promise.resolve({ url: 'wss://live.example', ticket: 't', expiresAt: 0 }),
    onState: (state) => tab.states.push(state),
    onMessage: (message) => tab.messages.push(message),
    onSubscribed: (plantId) => tab.subscribed.push(plantId),
  })
  socket.start()
  const whole = { ...tab, socket }
  tabs.push(whole)
  return whole
}

/** A leader that is frozen keeps its lock and says nothing; what a new one asks, it hears before it knows that it leads no more. */
function freezeLeaders() {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called on the channel that it is called on
  const post = BroadcastChannel.prototype.postMessage
  return vi.spyOn(BroadcastChannel.prototype, 'postMessage').mockImplementation(function (this: unknown, message) {
    if ((message as { type: string }).type === 'want') post.call(this, message)
  })
}

const isLive = (tab: Tab) => vi.waitFor(() => expect(tab.states.at(-1)).toBe('live'), 5_000)

async function twoTabs(userId: string) {
  const server: Server = { sockets: [] }
  const first = openTab(server, userId)
  first.socket.subscribe(PLANT)
  await isLive(first)
  const second = openTab(server, userId)
  second.socket.subscribe(PLANT)
  await isLive(second)
  return { server, first, second }
}

describe('tabs of one person', () => {
  it('share one socket, whose messages reach all of them', async () => {
    const { server, first, second } = await twoTabs('ana')
    expect(server.sockets).toHaveLength(1)
    const [delta] = frames('delta', 2, [machine(2, 2)])
    server.sockets[0]!.give(delta!)
    await vi.waitFor(() => expect(second.messages).toEqual([delta]))
    expect(first.messages).toEqual([delta])
  })

  it('copy nothing for others while there are none, nor after they have gone', async () => {
    const server: Server = { sockets: [] }
    const first = openTab(server, 'berta')
    first.socket.subscribe(PLANT)
    await isLive(first)
    const posted = vi.spyOn(BroadcastChannel.prototype, 'postMessage')
    const copies = () =>
      posted.mock.calls.filter(([message]) => (message as { type: string }).type === 'message').length
    const give = (version: number) => server.sockets[0]!.give(frames('delta', version, [machine(2, version)])[0]!)
    give(1)
    expect(first.messages).toHaveLength(1)
    expect(posted).not.toHaveBeenCalled()
    const second = openTab(server, 'berta')
    second.socket.subscribe(PLANT)
    await isLive(second)
    give(2)
    await vi.waitFor(() => expect(second.messages).toHaveLength(1))
    expect(copies()).toBe(1)
    second.socket.stop()
    await vi.waitFor(() => {
      give(3)
      const before = copies()
      give(4)
      expect(copies()).toBe(before)
    })
    posted.mockRestore()
  })

  it('are given a snapshot when they come, and keep their deltas until it is there', async () => {
    const { server, second } = await twoTabs('bruno')
    await vi.waitFor(() => expect(sentTo(server)).toEqual([`subscribe ${PLANT}`, `subscribe ${PLANT}`]))
    await vi.waitFor(() => expect(second.subscribed).toEqual([PLANT]))
  })

  it('stay subscribed to a plant until the last of them has left it, or is gone', async () => {
    const { server, first, second } = await twoTabs('carla')
    second.socket.subscribe(OTHER_PLANT)
    await vi.waitFor(() => expect(sentTo(server)).toContain(`subscribe ${OTHER_PLANT}`))
    first.socket.unsubscribe(PLANT)
    second.socket.stop()
    await vi.waitFor(() =>
      expect(sentTo(server).slice(-2).toSorted()).toEqual(
        [`unsubscribe ${OTHER_PLANT}`, `unsubscribe ${PLANT}`].toSorted(),
      ),
    )
  })

  it('go on with a new socket when the tab that had it is closed', async () => {
    const { server, first, second } = await twoTabs('dario')
    first.socket.stop()
    await vi.waitFor(() => expect(server.sockets).toHaveLength(2))
    await isLive(second)
    expect(second.states.slice(-2)).toEqual(['reconnecting', 'live'])
    expect(openSockets(server)).toHaveLength(1)
    await vi.waitFor(() => expect(sentTo(server)).toEqual([`subscribe ${PLANT}`]))
  })

  it('ask for the snapshot through the one that leads when a frame was lost', async () => {
    const { server, second } = await twoTabs('elena')
    const before = sentTo(server).length
    second.socket.resubscribe(PLANT)
    await vi.waitFor(() => expect(sentTo(server)).toHaveLength(before + 1), 3_000)
  })

  it('take over from a tab that is frozen when they are looked at, or opened', async () => {
    const [{ server, first, second }, other] = await Promise.all([twoTabs('fede'), twoTabs('irma')])
    first.socket.subscribe(OTHER_PLANT)
    await vi.waitFor(() => expect(second.subscribed).toContain(OTHER_PLANT), 5_000)
    const frozen = freezeLeaders()
    second.socket.lookedAt()
    const third = openTab(other.server, 'irma')
    await vi.waitFor(() => expect([server, other.server].map(({ sockets }) => sockets.length)).toEqual([2, 2]), 5_000)
    frozen.mockRestore()
    await Promise.all([isLive(second), isLive(third)])
    // Thawed it finds that it has lost the lock, and follows.
    await vi.waitFor(() => expect(openSockets(server)).toHaveLength(1), 5_000)
    await vi.waitFor(() => expect(sentTo(server)).toContain(`subscribe ${OTHER_PLANT}`), 5_000)
    const [delta] = frames('delta', 2, [machine(2, 2)])
    openSockets(server)[0]!.give(delta!)
    await vi.waitFor(() => expect(first.messages).toEqual([delta]), 5_000)
  })
})

it('tabs of different people share nothing', async () => {
  const server: Server = { sockets: [] }
  await Promise.all([isLive(openTab(server, 'gabi')), isLive(openTab(server, 'hugo'))])
  expect(server.sockets).toHaveLength(2)
})
