import fc from 'fast-check'
import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { QueueEnvelope } from '../../../schemas/queues.ts'
import { MachineLedger, StatusV1 } from '../../../schemas/status.ts'
import { TelemetryV1 } from '../../../schemas/telemetry.ts'

const reading = {
  schemaVersion: 1,
  timestamp: 1736359200000,
  seq: 1736350000123,
  values: { temperature: 71.2, running: true, state: 'RUN' },
}
const accepts = (input: unknown) => v.is(TelemetryV1, input)

describe('telemetry v1', () => {
  it('accepts the example of the contract, and ignores unknown fields', () => {
    expect(v.parse(TelemetryV1, { ...reading, later: 1 })).toEqual(reading)
  })

  it('accepts every legal set of values after its way through JSON', () => {
    const tag = fc
      .stringMatching(/^[A-Za-z0-9_.-]{1,64}$/)
      .filter((name) => !['prototype', 'constructor', '__proto__'].includes(name))
    const text = fc
      .string({ unit: 'grapheme', maxLength: 60 })
      .filter((s) => s.length <= 256 && s.isWellFormed() && !s.includes('\u0000'))
    const scalar = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), text, fc.constant(null))
    fc.assert(
      fc.property(fc.dictionary(tag, scalar, { minKeys: 1, maxKeys: 256, noNullPrototype: true }), (values) => {
        const sent: unknown = JSON.parse(JSON.stringify({ ...reading, values }))
        expect(v.parse(TelemetryV1, sent)).toEqual(sent)
      }),
    )
  })

  it('says the same of values at a glance as when it looks for what is wrong with each', () => {
    const tag = fc.oneof(
      fc.constantFrom('a', 'b', '__proto__', 'constructor', '', 'a b', 'x'.repeat(64), 'x'.repeat(65)),
      fc.string({ maxLength: 3 }),
    )
    const strange = fc.constantFrom(
      'x'.repeat(256),
      'x'.repeat(257),
      '\u0000',
      '\ud800',
      'ñ',
      [],
      [1],
      {},
      undefined,
      NaN,
    )
    const scalar = fc.oneof(fc.double(), fc.boolean(), fc.string(), fc.constant(null), strange)
    const some = fc.oneof(
      {
        weight: 9,
        arbitrary: fc.array(fc.tuple(tag, scalar), { maxLength: 4 }).map((pairs) => Object.fromEntries(pairs)),
      },
      fc.constantFrom([], null, 1, 'a', Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`t${i}`, i]))),
    )
    fc.assert(
      fc.property(some, (values) => {
        const slowly = { ...TelemetryV1.entries.values, '~run': v.pipe(...TelemetryV1.entries.values.pipe)['~run'] }
        expect(v.is(TelemetryV1.entries.values, values)).toBe(v.is(slowly, values))
      }),
      { numRuns: 3_000 },
    )
  })

  it.each([
    ['a message', TelemetryV1, { ...reading, quality: { running: 'bad' }, units: { temperature: '°C' } }],
    ['an envelope', QueueEnvelope, { payload: 'e30=', topic: 'a/b', clientId: 'c', receivedAt: 1, traceId: 't' }],
  ] as const)('says the same of %s at a glance as field by field', (_, schema: v.GenericSchema, right) => {
    const slowly = v.object((schema as unknown as typeof TelemetryV1).entries)
    const strange = fc.constantFrom(undefined, null, -1, 0, 1, 1.5, 2 ** 53, '', 'a', true, {}, [], { a: 1 })
    const others = fc.dictionary(fc.constantFrom(...Object.keys(right), 'later'), strange, { maxKeys: 3 })
    const some = fc
      .tuple(fc.subarray(Object.entries(right)), others)
      .map(([kept, other]) => ({ ...Object.fromEntries(kept), ...other }))
    fc.assert(
      fc.property(fc.oneof(some, fc.constantFrom(right, null, [], 'a', 1)), (input) => {
        const [quick, slow] = [v.safeParse(schema, input), v.safeParse(slowly, input)]
        expect(quick).toEqual(slow)
      }),
      { numRuns: 3_000 },
    )
  })

  it('accepts units of tags, also of some that the message has no value of', () => {
    const units = { temperature: '°C', flow: 'm³/h', long: 'x'.repeat(32) }
    expect(v.parse(TelemetryV1, { ...reading, units })).toEqual({ ...reading, units })
  })

  it.each([
    ['another schema version', { ...reading, schemaVersion: 2 }],
    ['a seq of -1', { ...reading, seq: -1 }],
    ['a seq of 2^53', { ...reading, seq: 2 ** 53 }],
    ['a seq with a fraction', { ...reading, seq: 1.5 }],
    ['no values', { ...reading, values: {} }],
    ['300 tags', { ...reading, values: Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`tag-${i}`, i])) }],
    ['a key with a space', { ...reading, values: { 'oil temperature': 1 } }],
    ['an empty key', { ...reading, values: { '': 1 } }],
    ['a nested value', { ...reading, values: { a: { b: 1 } } }],
    ['a list as value', { ...reading, values: { a: [1] } }],
    ['a list of values', { ...reading, values: [1] }],
    ['NaN', { ...reading, values: { a: Number.NaN } }],
    ['Infinity', { ...reading, values: { a: Number.POSITIVE_INFINITY } }],
    ['a text of 257', { ...reading, values: { a: 'x'.repeat(257) } }],
    ['U+0000, which jsonb refuses', { ...reading, values: { a: 'a\u0000b' } }],
    ['a lone surrogate, which jsonb refuses', { ...reading, values: { a: '\ud800' } }],
    ['a name that would vanish in silence', { ...reading, values: { a: 1, constructor: 2 } }],
    ['a name that pollutes', { ...reading, values: JSON.parse('{"a":1,"__proto__":2}') as unknown }],
    ['good as a quality', { ...reading, quality: { a: 'good' } }],
    ['a unit without text', { ...reading, units: { a: '' } }],
    ['a unit of 33', { ...reading, units: { a: 'x'.repeat(33) } }],
    ['a unit with U+0000, which jsonb refuses', { ...reading, units: { a: '\u0000' } }],
    ['a unit that is no text', { ...reading, units: { a: null } }],
    ['a list of units', { ...reading, units: ['bar'] }],
    ['a timestamp as text', { ...reading, timestamp: '1736359200000' }],
    ['null', null],
  ])('refuses %s', (_what, input) => {
    expect(accepts(input)).toBe(false)
  })
})

describe('status v1', () => {
  it('accepts a heartbeat with and without the additions', () => {
    const heartbeat = {
      schemaVersion: 1,
      timestamp: 1736359200000,
      state: 'online',
      gateway: { thingName: 'granix-ba-gateway-1', version: '1.0.0', uptimeSec: 12 },
      health: { internet: 'up', mqtt: 'up', plcLink: 'down', buffer: { mode: 'live', queuedMessages: 0 } },
    }
    expect(v.is(StatusV1, heartbeat)).toBe(true)
    expect(
      v.is(StatusV1, { ...heartbeat, sessionId: 's', ledger: { 'pump-1': { first: 1, last: 9, dropped: [[2, 3]] } } }),
    ).toBe(true)
    const moved = { first: 5, last: 9, dropped: [[2, 2]], pending: [[3, 9]], carried: [[2, 3]] }
    expect(v.is(StatusV1, { ...heartbeat, ledger: { 'pump-1': moved } })).toBe(true)
  })

  it.each([
    ['first after last', { first: 2, last: 1, dropped: [] }, 'first <= last'],
    ['a dropped range outside', { first: 5, last: 9, dropped: [[4, 6]] }, 'ranges'],
    ['a range that ends before it begins', { first: 5, last: 9, dropped: [[7, 6]] }, 'ranges'],
    ['a pending range beyond the last', { first: 5, last: 9, dropped: [], pending: [[9, 10]] }, 'ranges'],
    ['a carried range that is its own', { first: 5, last: 9, dropped: [], carried: [[4, 5]] }, 'to < first'],
    [
      'a pending range below the carried ones',
      { first: 5, last: 9, dropped: [], pending: [[2, 5]], carried: [[3, 3]] },
      'ranges',
    ],
    [
      'more pending ranges than asked for',
      { first: 0, last: 99, dropped: [], pending: Array.from({ length: 33 }, (_, i) => [2 * i, 2 * i]) },
      'at most 32',
    ],
    [
      'thousands of dropped ranges',
      { first: 0, last: 9999, dropped: Array.from({ length: 1001 }, (_, i) => [2 * i, 2 * i]) },
      'at most 1000',
    ],
  ])('refuses a ledger with %s, and says so', (_, ledger, message) => {
    const { issues } = v.safeParse(MachineLedger, ledger)
    expect(issues?.map((issue) => issue.message).join()).toContain(message)
  })

  it('accepts the will exactly as the contract writes it', () => {
    const will = { schemaVersion: 1, timestamp: 1, state: 'offline', reason: 'unexpected_disconnect' }
    expect(v.is(StatusV1, will)).toBe(true)
    expect(v.is(StatusV1, { ...will, reason: 'shutdown', sessionId: 's' })).toBe(true)
    expect(v.is(StatusV1, { ...will, reason: 'tired' })).toBe(false)
  })
})
