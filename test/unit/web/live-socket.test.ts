import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { backoffMs } from '../../../web/src/live/backoff.ts'
import { frames, machine, PLANT } from './live-fixtures.ts'
import { connected, setUp } from './live-network.ts'

const MINUTE = 60_000

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('live socket', () => {
  it('takes a ticket, opens, subscribes, and passes on what comes', async () => {
    const { opened, states, messages } = await connected()
    expect(opened.map((each) => each.url)).toEqual(['wss://live.example/prod?ticket=t1'])
    expect(opened[0]!.sent).toEqual([{ type: 'subscribe', plant: PLANT }])
    expect(states).toEqual(['connecting', 'live'])
    expect(messages).toHaveLength(1)
  })

  it('subscribes at once on an open connection, and takes leave', async () => {
    const { socket, last } = await connected()
    socket.unsubscribe(PLANT)
    socket.subscribe(PLANT)
    expect(last().sent.map((message) => message.type)).toEqual(['subscribe', 'unsubscribe', 'subscribe'])
  })

  it('ignores frames that it does not understand', async () => {
    const { last, messages, states } = await connected()
    last().events.message('not json')
    last().events.message(new ArrayBuffer(4))
    last().give({ type: 'news', from: 'the future' }, { type: 'delta', plant: 7 })
    expect(messages).toHaveLength(1)
    expect(states.at(-1)).toBe('live')
  })

  it('comes back after a break with a new ticket, and subscribes again', async () => {
    const { opened, states, last } = await connected()
    last().events.closed()
    expect(states.at(-1)).toBe('reconnecting')
    await vi.advanceTimersByTimeAsync(500)
    expect(opened).toHaveLength(2)
    expect(last().url).toContain('ticket=t2')
    expect(last().sent).toEqual([{ type: 'subscribe', plant: PLANT }])
    expect(states.at(-1)).toBe('live')
  })

  it('waits longer after each failure, at most 30 s, and begins anew only after a message', async () => {
    const { network, last } = await connected()
    network.ticketFails = true
    last().events.closed()
    await vi.advanceTimersByTimeAsync(60_000)
    const afterAMinute = network.tickets
    expect(afterAMinute).toBeGreaterThan(4)
    expect(afterAMinute).toBeLessThan(10)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(network.tickets - afterAMinute).toBeLessThanOrEqual(4)
  })

  it('is not fooled by a server that opens and hangs up', async () => {
    const { network, opened, last } = await connected()
    const before = opened.length
    network.answers = false
    for (let second = 0; second < 60; second += 1) {
      if (!last().closed) last().events.closed()
      await vi.advanceTimersByTimeAsync(1_000)
    }
    expect(network.opens).toBe(true)
    expect(opened.length - before).toBeLessThan(10)
  })

  it('gives up a connection that does not open', async () => {
    const { network, opened, last } = await connected()
    network.hangs = true
    last().events.closed()
    await vi.advanceTimersByTimeAsync(12_000)
    expect(opened.length).toBe(3)
    expect(opened[1]!.closed).toBe(true)
  })

  it('pings every 5 minutes, also when frames keep coming', async () => {
    const { last, snapshot, opened } = await connected()
    for (let second = 0; second < 11 * 60; second += 1) {
      last().give(...snapshot())
      await vi.advanceTimersByTimeAsync(1_000)
    }
    expect(last().count('ping')).toBe(2)
    expect(opened).toHaveLength(1)
  })

  it('asks a silent connection, keeps it when it answers, and replaces it when not', async () => {
    const { last, opened, states, network } = await connected()
    await vi.advanceTimersByTimeAsync(30_020)
    expect(last().count('ping')).toBe(1)
    network.pongs = false
    await vi.advanceTimersByTimeAsync(30_000)
    expect(last().count('ping')).toBe(2)
    expect(opened).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(5_000)
    expect(states.at(-1)).toBe('reconnecting')
    await vi.advanceTimersByTimeAsync(500)
    expect(opened).toHaveLength(2)
  })

  it('replaces the connection before 2 h, without a break', async () => {
    const { opened, states, snapshot } = await connected()
    for (let minute = 0; minute < 118; minute += 0.25) {
      opened.at(-1)!.give(...snapshot())
      await vi.advanceTimersByTimeAsync(MINUTE / 4)
    }
    expect(opened).toHaveLength(2)
    expect(opened[0]!.closed).toBe(true)
    expect(states).toEqual(['connecting', 'live'])
    expect(opened[1]!.sent[0]).toEqual({ type: 'subscribe', plant: PLANT })
  })

  it('keeps the old connection when its replacement fails', async () => {
    const { opened, states, snapshot, network } = await connected()
    for (let minute = 0; minute < 118; minute += 0.25) {
      network.opens = minute > 112
      opened.find((each) => !each.closed)!.give(...snapshot())
      await vi.advanceTimersByTimeAsync(MINUTE / 4)
    }
    expect(opened.length).toBeGreaterThan(2)
    expect(states).toEqual(['connecting', 'live'])
    expect(opened.filter((each) => !each.closed)).toHaveLength(1)
  })

  it('connects at once when the network is back, whatever the back-off', async () => {
    const { network, last, opened, socket, states } = await connected()
    socket.networkLost()
    expect(states.at(-1)).toBe('offline')
    network.ticketFails = true
    last().events.closed()
    await vi.advanceTimersByTimeAsync(5 * MINUTE)
    expect(states.at(-1)).toBe('offline')
    network.ticketFails = false
    socket.networkReturned()
    await vi.advanceTimersByTimeAsync(20)
    expect(states.slice(-2)).toEqual(['reconnecting', 'live'])
    expect(last().sent).toEqual([{ type: 'subscribe', plant: PLANT }])
    expect(opened).toHaveLength(2)
  })

  it('lets a new attempt overtake one that hangs', async () => {
    const { network, opened, socket, last, states } = await connected()
    network.hangs = true
    last().events.closed()
    await vi.advanceTimersByTimeAsync(1_000)
    network.hangs = false
    socket.networkReturned()
    await vi.advanceTimersByTimeAsync(20)
    expect(states.at(-1)).toBe('live')
    opened[1]!.events.opened()
    expect(opened[1]!.closed).toBe(true)
    expect(last().closed).toBe(false)
  })

  it('checks the connection when the page is looked at again', async () => {
    const { socket, last } = await connected()
    socket.lookedAt()
    expect(last().count('ping')).toBe(1)
  })

  it('asks again at most once a second, however many frames are lost', async () => {
    const { socket, last } = await connected()
    for (let tenth = 0; tenth < 30; tenth += 1) {
      socket.resubscribe(PLANT)
      await vi.advanceTimersByTimeAsync(100)
    }
    expect(last().count('subscribe')).toBeLessThanOrEqual(4)
  })

  it('leaves a connection on which a subscribe stays unanswered', async () => {
    const test = setUp()
    test.network.answers = false
    test.socket.subscribe(PLANT)
    test.socket.start()
    await vi.advanceTimersByTimeAsync(9_000)
    expect(test.opened).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(test.opened).toHaveLength(2)
  })

  it('leaves a connection on which a snapshot does not become whole', async () => {
    const test = setUp()
    test.network.answers = false
    test.socket.subscribe(PLANT)
    test.socket.start()
    await vi.advanceTimersByTimeAsync(1_000)
    const [first, second] = frames('snapshot', 1, [machine(1, 1), machine(2, 1), machine(3, 1)])
    test.last().give(first!)
    await vi.advanceTimersByTimeAsync(11_000)
    expect(test.opened).toHaveLength(2)
    test.last().give(second!, first!)
    await vi.advanceTimersByTimeAsync(29_000)
    expect(test.opened).toHaveLength(2)
  })

  it('asks for all snapshots again when messages come though the browser says that there is no network', async () => {
    const { socket, last, states } = await connected()
    socket.networkLost()
    last().give({ type: 'pong' })
    expect(states.slice(-2)).toEqual(['offline', 'live'])
    expect(last().count('subscribe')).toBe(2)
    last().give({ type: 'pong' })
    expect(last().count('subscribe')).toBe(2)
  })

  it.each(['not_connected', 'internal'] as const)('leaves a connection of which the server says %s', async (code) => {
    const { last, opened } = await connected()
    last().give({ type: 'error', code })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(opened).toHaveLength(2)
  })

  it('does nothing more once stopped', async () => {
    const { socket, last, opened, network } = await connected()
    socket.stop()
    expect(last().closed).toBe(true)
    socket.networkReturned()
    socket.lookedAt()
    await vi.advanceTimersByTimeAsync(3 * 60 * MINUTE)
    expect(opened).toHaveLength(1)
    expect(network.tickets).toBe(1)
    expect(vi.getTimerCount()).toBe(0)
  })
})

it('backs off from half a second to half a minute, with jitter', () => {
  expect(backoffMs(0, () => 0)).toBe(250)
  expect(backoffMs(0, () => 1)).toBe(500)
  expect(backoffMs(3, () => 1)).toBe(4_000)
  expect(backoffMs(99, () => 1)).toBe(30_000)
})
