import fc from 'fast-check'
import { expect, test } from 'vitest'
import { applyStatus, inBrokerOrder } from '../../../lambdas/status/apply-status.ts'
import type { Presence } from '../../../lambdas/data/update-presence.ts'
import type { StatusV1 } from '../../../schemas/status.ts'

const never: Presence = {
  gatewayId: 'g',
  thingName: 'gateway-1',
  lifecycle: 'enrolled',
  connection: 'never',
  reason: null,
  sessionId: null,
  statusAt: null,
  lastSeenAt: null,
  clockSkewMs: null,
  status: null,
  heartbeats: [],
}

const online = (sessionId: string): StatusV1 => ({
  schemaVersion: 1,
  timestamp: 0,
  state: 'online',
  sessionId,
  gateway: { thingName: 'gateway-1', version: '1', uptimeSec: 1 },
  health: { internet: 'up', mqtt: 'up', plcLink: 'up', buffer: { mode: 'live', queuedMessages: 0 } },
})
const will = (sessionId: string): StatusV1 => ({
  schemaVersion: 1,
  timestamp: 0,
  state: 'offline',
  reason: 'unexpected_disconnect',
  sessionId,
})

const apply = (messages: { receivedAt: number; status: StatusV1 }[]) =>
  inBrokerOrder(messages).reduce((presence, message) => applyStatus(presence, message), never)

test('a batch gives the same presence in whatever order it holds its messages, and when it holds them twice', () => {
  const message = fc.record({
    receivedAt: fc.integer({ min: 0, max: 5 }),
    status: fc.oneof(fc.constant(online('s')), fc.constant(will('s'))),
  })
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), fc.infiniteStream(fc.nat()), (messages, order) => {
      const shuffled = messages.map((one) => [order.next().value, one] as const).toSorted(([a], [b]) => a - b)
      const inOrder = apply(messages)
      expect(apply(shuffled.map(([, one]) => one))).toEqual(inOrder)
      expect(apply([...messages, ...messages])).toEqual(inOrder)
    }),
  )
})

test('an older message leaves the very same object, so that nothing is written', () => {
  const presence = applyStatus(never, { receivedAt: 10, status: online('s') })
  expect(applyStatus(presence, { receivedAt: 9, status: will('s') })).toBe(presence)
})

test('a will of another session is no news, one without session is', () => {
  const presence = applyStatus(never, { receivedAt: 10, status: online('new') })
  expect(applyStatus(presence, { receivedAt: 11, status: will('old') })).toBe(presence)
  const unnamed: StatusV1 = { schemaVersion: 1, timestamp: 0, state: 'offline', reason: 'shutdown' }
  expect(applyStatus(presence, { receivedAt: 11, status: unnamed }).connection).toBe('offline')
})
