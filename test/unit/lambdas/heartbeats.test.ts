import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  clockSkewMs,
  drainEtaSec,
  hasRestarted,
  type Heartbeat,
  withHeartbeat,
} from '../../../lambdas/data/heartbeats.ts'

const t0 = 1_736_359_200_000
const beat = (index: number, more: Partial<Heartbeat> = {}): Heartbeat => ({
  receivedAt: t0 + index * 10_000,
  clockSkewMs: 0,
  queuedMessages: 0,
  uptimeSec: 100 + index * 10,
  ...more,
})
const integer = (min: number, max: number) => fc.integer({ min, max })

describe('the last heartbeats', () => {
  it('are the newest ten in order, each once', () => {
    fc.assert(
      fc.property(integer(1, 30), integer(1, 3), (count, times) => {
        const all = Array.from({ length: count }, (_, index) => beat(index))
        const kept = all.flatMap((one) => Array.from({ length: times }, () => one)).reduce(withHeartbeat, [])
        expect(kept).toEqual(all.slice(-10))
      }),
    )
  })
})

describe('clock skew', () => {
  const skews = fc.array(integer(-1e9, 1e9), { minLength: 1, maxLength: 10 })
  const skewOf = (values: number[]) => clockSkewMs(values.map((skew, index) => beat(index, { clockSkewMs: skew })))!

  it('has as many heartbeats above it as below, whatever their order', () => {
    fc.assert(
      fc.property(skews, (values) => {
        const skew = skewOf(values)
        const half = values.length / 2
        expect(values.filter((value) => value < skew - 1).length).toBeLessThanOrEqual(half)
        expect(values.filter((value) => value > skew + 1).length).toBeLessThanOrEqual(half)
        expect(skewOf(values.toReversed())).toBe(skew)
        expect(Number.isSafeInteger(skew)).toBe(true)
      }),
    )
  })

  it('does not move with four late heartbeats of ten, and follows a clock that was set right within six', () => {
    expect(skewOf([200, 200, 90_000, 200, 200, 70_000, 200, 200, 80_000, 60_000])).toBe(200)
    expect(skewOf([...Array<number>(4).fill(3_600_000), ...Array<number>(6).fill(150)])).toBe(150)
    expect(clockSkewMs([])).toBeNull()
  })
})

describe('the time until the buffer is empty', () => {
  it('is exact while it shrinks evenly, and hardly moves with one odd heartbeat', () => {
    fc.assert(
      fc.property(integer(1, 5_000), integer(1, 100_000), integer(4, 9), integer(1, 8), (perBeat, rest, beats, odd) => {
        const queued = Array.from({ length: beats + 1 }, (_, index) => rest + (beats - index) * perBeat)
        const heartbeats = queued.map((queuedMessages, index) => beat(index, { queuedMessages }))
        const exactSec = Math.ceil((rest / perBeat) * 10)
        expect(Math.abs(drainEtaSec(heartbeats)! - exactSec)).toBeLessThanOrEqual(1)
        if (beats < 6) return
        const spoilt = heartbeats.with(odd % beats, beat(odd % beats, { queuedMessages: 10_000_000 }))
        expect(Math.abs(drainEtaSec(spoilt)! - exactSec)).toBeLessThanOrEqual(1)
      }),
    )
  })

  it('is never negative nor endless, and is not given for a buffer that grows, stands or is empty', () => {
    const queues = fc.array(integer(0, 1_000_000), { maxLength: 10 })
    fc.assert(
      fc.property(queues, (queued) => {
        const etaSec = drainEtaSec(queued.map((queuedMessages, index) => beat(index, { queuedMessages })))
        expect(etaSec === null || (Number.isSafeInteger(etaSec) && etaSec > 0)).toBe(true)
        const rising = queued.toSorted((a, b) => a - b)
        expect(drainEtaSec(rising.map((queuedMessages, index) => beat(index, { queuedMessages })))).toBeNull()
        expect(drainEtaSec([...queued, 0].map((queuedMessages, index) => beat(index, { queuedMessages })))).toBeNull()
      }),
    )
  })

  it('forgets what was before a silence: the buffer has grown in it', () => {
    const before = [900, 600, 300].map((queuedMessages, index) => beat(index, { queuedMessages }))
    const after = [90_000, 89_000, 88_000].map((queuedMessages, index) => beat(20 + index, { queuedMessages }))
    expect(drainEtaSec([...before, ...after.slice(0, 2)])).toBeNull()
    expect(drainEtaSec([...before, ...after])).toBe(880)
  })
})

describe('a restart', () => {
  it('is seen by any uptime below that of before', () => {
    fc.assert(
      fc.property(integer(1, 1e6), integer(1, 1e6), integer(-1e7, 1e7), (uptimeSec, seconds, skew) => {
        const before = beat(0, { uptimeSec })
        const after = { ...before, receivedAt: t0 + seconds * 1000, clockSkewMs: skew, uptimeSec: uptimeSec - 1 }
        expect(hasRestarted(before, after)).toBe(true)
      }),
    )
  })

  it('is seen when the gateway was away for longer than it had been up', () => {
    const before = beat(0, { uptimeSec: 30 })
    expect(hasRestarted(before, { ...before, receivedAt: t0 + 3_600_000, uptimeSec: 600 })).toBe(true)
  })

  it('is not made up by a late heartbeat, nor by a clock that is set, nor by an outage', () => {
    const arbitrary = [integer(0, 1e6), integer(1, 1e6), integer(0, 120_000), integer(-1e9, 1e9)] as const
    fc.assert(
      fc.property(...arbitrary, (uptimeSec, elapsedSec, lateMs, clockSetMs) => {
        const before = beat(0, { uptimeSec })
        const sentAt = t0 + elapsedSec * 1000
        const running = { ...before, uptimeSec: uptimeSec + elapsedSec }
        expect(hasRestarted(before, { ...running, receivedAt: sentAt + lateMs, clockSkewMs: lateMs })).toBe(false)
        expect(hasRestarted(before, { ...running, receivedAt: sentAt, clockSkewMs: clockSetMs })).toBe(false)
      }),
    )
    expect(hasRestarted(undefined, beat(0))).toBe(false)
  })
})
