import fc from 'fast-check'
import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it } from 'vitest'
import type { LiveMachine, LiveMachineChange, LiveServerMessage } from '../../../schemas/live.ts'
import { useLiveStore } from '../../../web/src/live/live-store.ts'
import { isMeasured } from '../../../web/src/live/machine-view.ts'
import type { PlantPicture } from '../../../web/src/live/plant-picture.ts'
import { frames, gateway, machine, machineId, onlyState, PLANT } from './live-fixtures.ts'

/** Sequence number shown of each machine. */
function shown(picture: PlantPicture): Record<string, number | null> {
  return Object.fromEntries(
    [...picture.machines.value.values()].map(({ value }) => [value.slug, value.state?.seq ?? null]),
  )
}

function watching() {
  const store = useLiveStore()
  const asked: string[] = []
  const picture = store.watchPlant(PLANT)
  store.attach({
    subscribe: () => asked.push('subscribe'),
    unsubscribe: () => asked.push('unsubscribe'),
    resubscribe: () => asked.push('resubscribe'),
  })
  store.setSocketState('live')
  store.subscribed(PLANT)
  const receive = (...messages: LiveServerMessage[]) => messages.forEach((message) => store.receive(message, 5_000))
  return { store, picture, asked, receive }
}

beforeEach(() => setActivePinia(createPinia()))

describe('live store', () => {
  it('shows nothing until all parts of the snapshot are there, and is not live before', () => {
    const { store, picture, receive } = watching()
    const [first, second] = frames('snapshot', 7, [machine(1, 1), machine(2, 1), machine(3, 1)])
    receive(second!)
    expect(picture.whole.value).toBe(false)
    expect(store.state).toBe('connecting')
    receive(first!)
    expect(picture.whole.value).toBe(true)
    expect(store.state).toBe('live')
    expect(shown(picture)).toEqual({ 'machine-1': 1, 'machine-2': 1, 'machine-3': 1 })
    expect(store.lastDataAt).toBe(5_000)
  })

  it('keeps deltas that come before the snapshot, and shows those that are newer', () => {
    const { picture, receive, asked } = watching()
    receive(...frames('delta', 8, [machine(1, 9), machine(4, 1)]), ...frames('delta', 7, [machine(2, 9)]))
    expect(picture.machines.value.size).toBe(0)
    receive(...frames('snapshot', 7, [machine(1, 1), machine(2, 3)]))
    expect(shown(picture)).toEqual({ 'machine-1': 9, 'machine-2': 3, 'machine-4': 1 })
    expect(asked).toEqual(['subscribe'])
  })

  it('asks for a snapshot after a gap, shows what came meanwhile, and forgets what has gone', () => {
    const { store, picture, receive, asked } = watching()
    receive(...frames('snapshot', 1, [machine(1, 1), machine(2, 1)]), ...frames('delta', 3, [machine(1, 5)]))
    expect(asked).toEqual(['subscribe', 'resubscribe'])
    expect(shown(picture)).toEqual({ 'machine-1': 5, 'machine-2': 1 })
    store.subscribed(PLANT)
    receive(...frames('delta', 4, [machine(1, 6)]), ...frames('snapshot', 3, [machine(1, 4)]))
    expect(shown(picture)).toEqual({ 'machine-1': 6 })
    receive(...frames('delta', 5, [machine(1, 7)]))
    expect(asked).toEqual(['subscribe', 'resubscribe'])
  })

  it('asks for a snapshot when a pong tells of a frame that never came', () => {
    const { asked, receive } = watching()
    receive(...frames('snapshot', 1, [machine(1, 1)]), { type: 'pong', versions: { [PLANT]: 1 } })
    expect(asked).toEqual(['subscribe'])
    receive({ type: 'pong', versions: { [PLANT]: 2 } }, { type: 'pong', versions: { [PLANT]: 2 } })
    expect(asked).toEqual(['subscribe', 'resubscribe'])
  })

  it('asks for a snapshot when a pong tells that the last part of a delta is overdue', () => {
    const { asked, receive } = watching()
    const [first, second] = frames('delta', 2, [machine(1, 1), machine(2, 1), machine(3, 1)])
    receive(...frames('snapshot', 1, []), first!)
    expect(asked).toEqual(['subscribe'])
    receive({ type: 'pong', versions: { [PLANT]: 2 } })
    expect(asked).toEqual(['subscribe', 'resubscribe'])
    receive(second!, { type: 'pong', versions: { [PLANT]: 2 } })
    expect(asked).toEqual(['subscribe', 'resubscribe'])
  })

  it('takes a version that begins anew for a gap', () => {
    const { receive, asked } = watching()
    receive(...frames('snapshot', 40, [machine(1, 1)]), ...frames('delta', 1, [machine(1, 2)]))
    expect(asked).toEqual(['subscribe', 'resubscribe'])
  })

  it('notices that a part of a delta is missing', () => {
    const { receive, asked } = watching()
    const [first] = frames('delta', 2, [machine(1, 1), machine(2, 1), machine(3, 1)])
    receive(...frames('snapshot', 1, []), first!, first!)
    expect(asked).toEqual(['subscribe'])
    receive(...frames('delta', 3, [machine(1, 2)]))
    expect(asked).toEqual(['subscribe', 'resubscribe'])
  })

  it('puts together a machine whose tags come in several entries', () => {
    const { picture, receive } = watching()
    receive(...frames('snapshot', 1, [machine(1, 3, { a: 1 }), machine(1, 3, { b: 2 })]))
    const tags = picture.machines.value.get(machineId(1))!.value.tags
    expect([...tags.keys()]).toEqual(['a', 'b'])
  })

  it('shows the unit of a tag, also from several entries, and keeps it when who tells the next state has not heard of it', () => {
    const { picture, receive } = watching()
    const told = (seq: number, values: Record<string, number>, units: Record<string, string>) => ({
      ...machine(1, seq, values),
      units,
    })
    const units = () =>
      [...picture.machines.value.get(machineId(1))!.value.tags.values()].map(({ name, unit }) => [name, unit])
    receive(...frames('snapshot', 1, [told(3, { a: 1 }, { a: 'bar' }), told(3, { b: 2, c: 3 }, { b: '°C' })]))
    expect(units()).toEqual([
      ['a', 'bar'],
      ['b', '°C'],
      ['c', undefined],
    ])
    receive(...frames('delta', 2, [told(4, { a: 1, b: 2, c: 3 }, { a: 'psi' })]))
    expect(units()).toEqual([
      ['a', 'psi'],
      ['b', '°C'],
      ['c', undefined],
    ])
  })

  it('keeps the last value of a tag that a newer reading does not have', () => {
    const { picture, receive } = watching()
    receive(...frames('snapshot', 1, [machine(1, 1, { fast: 1, slow: 1 })]))
    receive(...frames('delta', 2, [machine(1, 2, { fast: 2 })]))
    const tags = picture.machines.value.get(machineId(1))!.value.tags
    expect(tags.get('fast')).toMatchObject({ value: 2, timestamp: 1_002_000 })
    expect(tags.get('slow')).toMatchObject({ value: 1, timestamp: 1_001_000 })
  })

  it('draws no trend of numbers beside a value that is none any more', () => {
    const { picture, receive } = watching()
    receive(...frames('snapshot', 1, [machine(1, 1), machine(1, 60)]))
    const told = (seq: number, t: unknown) => {
      const { state, ...rest } = machine(1, seq)
      receive(...frames('delta', seq, [{ ...rest, state: { ...state!, values: { t } } } as LiveMachine]))
      return picture.machines.value.get(machineId(1))!.value.tags.get('t')!
    }
    const unread = told(61, null)
    expect([unread.trend.length > 0, isMeasured(unread)]).toEqual([true, true])
    expect(isMeasured({ ...unread, trend: [], unit: undefined })).toBe(false)
    const text = told(62, 'OPEN')
    expect([text.trend, isMeasured(text)]).toEqual([[], false])
  })

  it('orders gateways by the broker’s clock', () => {
    const { picture, receive } = watching()
    receive(...frames('snapshot', 1, [], [gateway('gw-1', 2_000, 'offline')]))
    receive(...frames('delta', 2, [], [gateway('gw-1', 1_000, 'online')]))
    expect(picture.gateways.value.get('gw-1')?.connection).toBe('offline')
    receive(...frames('delta', 3, [], [gateway('gw-1', 3_000, 'online')]))
    expect(picture.gateways.value.get('gw-1')?.connection).toBe('online')
  })

  it('says that it is reconnecting until the new connection has caught up', () => {
    const { store, receive } = watching()
    receive(...frames('snapshot', 1, [machine(1, 1)]))
    store.setSocketState('reconnecting')
    expect(store.state).toBe('reconnecting')
    store.setSocketState('live')
    store.subscribed(PLANT)
    expect(store.state).toBe('reconnecting')
    receive(...frames('snapshot', 9, [machine(1, 1)]))
    expect(store.state).toBe('live')
  })

  it('takes no answer over HTTP that was asked for before a snapshot came, also when the connection has gone again', () => {
    const { store, picture, receive } = watching()
    const picked = { machines: [machine(1, 1)], gateways: [], alarms: [] }
    const early = store.awaitPicture(PLANT)
    receive(...frames('snapshot', 1, [machine(1, 1), machine(2, 1)]))
    store.setSocketState('reconnecting')
    early(picked, 6_000)
    expect(shown(picture)).toEqual({ 'machine-1': 1, 'machine-2': 1 })
    store.awaitPicture(PLANT)(picked, 7_000)
    expect(shown(picture)).toEqual({ 'machine-1': 1 })
    expect(store.lastDataAt).toBe(7_000)
  })

  it('tells when the plant may not be seen', () => {
    const { picture, receive } = watching()
    receive({ type: 'error', code: 'not_found', plant: PLANT })
    expect(picture.refused.value).toBe(true)
  })

  it('redraws only the machine that changed', () => {
    const { picture, receive } = watching()
    receive(...frames('snapshot', 1, [machine(1, 1), machine(2, 1)]))
    const before = picture.machines.value
    const second = before.get(machineId(2))!.value
    receive(...frames('delta', 2, [machine(1, 2)]))
    expect(picture.machines.value).toBe(before)
    expect(before.get(machineId(2))!.value).toBe(second)
  })
})

/** What the server may do to the browser's picture: change machines, lose frames, send them twice or in another order. */
type Step =
  | { kind: 'read'; machines: number[] }
  | { kind: 'late'; machine: number }
  | { kind: 'remove'; machine: number }
  | { kind: 'lose' }
  | { kind: 'repeat' }
  | { kind: 'swap' }
  | { kind: 'reconnect' }
  | { kind: 'answer' }

const anyMachine = fc.integer({ min: 1, max: 5 })
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('read' as const), machines: fc.uniqueArray(anyMachine, { minLength: 1 }) }),
    fc.record({ kind: fc.constant('late' as const), machine: anyMachine }),
    fc.record({ kind: fc.constant('remove' as const), machine: anyMachine }),
    fc.record({ kind: fc.constantFrom('lose' as const, 'repeat' as const, 'swap' as const) }),
    fc.record({ kind: fc.constantFrom('reconnect' as const, 'answer' as const) }),
  ),
  { maxLength: 60 },
)

describe('live store against a model', () => {
  it('ends with the server’s picture, never goes back in time, whatever the network does', () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        setActivePinia(createPinia())
        const store = useLiveStore()
        const server = new Map<number, LiveMachine>()
        const removed = new Set<string>()
        const serverSlugs = () => [...server.values()].map((each) => each.slug)
        let version = 0
        let seq = 0
        /** Frames on their way. Subscribes are answered in their place among them. */
        let wire: LiveServerMessage[] = []
        let pendingSubscribes = 1

        const subscribe = () => {
          store.subscribed(PLANT)
          pendingSubscribes += 1
        }
        const picture = store.watchPlant(PLANT)
        store.attach({ subscribe: () => store.subscribed(PLANT), unsubscribe: () => undefined, resubscribe: subscribe })
        store.setSocketState('live')

        const answer = () => {
          if (pendingSubscribes === 0) return
          pendingSubscribes = 0
          wire.push(...frames('snapshot', version, [...server.values()]))
        }
        const highest = new Map<string, number>()
        const deliver = () => {
          for (const message of wire.splice(0)) store.receive(message, 1)
          for (const [slug, value] of Object.entries(shown(picture))) {
            // A machine that the server removed may return with whatever the server then says.
            expect(value ?? 0).toBeGreaterThanOrEqual(highest.get(slug) ?? 0)
            highest.set(slug, value ?? 0)
          }
          for (const slug of highest.keys()) if (!(slug in shown(picture))) highest.delete(slug)
        }
        const send = (machines: LiveMachineChange[]) => {
          version += 1
          wire.push(...frames('delta', version, machines))
        }

        for (const step of sequence) {
          if (step.kind === 'read') {
            seq += 1
            const told = step.machines.map((n) => (server.has(n) ? onlyState(machine(n, seq)) : machine(n, seq)))
            for (const n of step.machines) server.set(n, machine(n, seq))
            send(told)
          } else if (step.kind === 'late') {
            if (server.has(step.machine)) send([onlyState(machine(step.machine, 0))])
          } else if (step.kind === 'remove') {
            server.delete(step.machine)
            removed.add(`machine-${step.machine}`)
          } else if (step.kind === 'lose') wire.pop()
          else if (step.kind === 'repeat') wire.push(...wire.slice(-1))
          else if (step.kind === 'swap') wire.reverse()
          else if (step.kind === 'reconnect') {
            wire = []
            store.setSocketState('reconnecting')
            store.setSocketState('live')
            subscribe()
          } else answer()
          if (step.kind !== 'read' && step.kind !== 'late') deliver()
        }

        // The network calms down. One more frame must show whether anything is missing; what is asked for is answered.
        // A snapshot that was lost is asked for again by the connection's time-out, which the store knows nothing of.
        answer()
        seq += 1
        server.set(1, machine(1, seq))
        send([server.get(1)!])
        deliver()
        if (store.state !== 'live') subscribe()
        answer()
        deliver()
        const now = shown(picture)
        for (const each of server.values()) expect(now[each.slug]).toBe(each.state?.seq)
        for (const { value } of picture.machines.value.values())
          expect(value).toMatchObject({ status: 'active', units: { t: '°C' } })
        for (const slug of Object.keys(now)) expect([...serverSlugs(), ...removed]).toContain(slug)
        expect(store.state).toBe('live')
      }),
      { numRuns: 1000 },
    )
  })
})
