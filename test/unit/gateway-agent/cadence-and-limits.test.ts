import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Backoff } from '../../../gateway-agent/src/backoff.ts'
import { Cadence } from '../../../gateway-agent/src/cadence.ts'
import { createLog } from '../../../gateway-agent/src/log.ts'
import { addressesOf } from '../../../gateway-agent/src/mqtt-endpoint.ts'
import { scaled } from '../../../gateway-agent/src/scaling.ts'
import { TokenBucket } from '../../../gateway-agent/src/token-bucket.ts'
import { Writable } from 'node:stream'

describe('cadence', () => {
  it('stays on its grid however late each cycle ends, and counts what it missed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        fc.array(fc.nat({ max: 20_000 }), { maxLength: 50 }),
        (interval, durations) => {
          const cadence = new Cadence(1000, interval)
          let now = 1000
          let reads = 0
          let missed = 0
          for (const duration of durations) {
            now = Math.max(now, cadence.nextMs) + duration
            reads += 1
            missed += cadence.advance(now)
            expect((cadence.nextMs - 1000) % interval).toBe(0)
            expect(cadence.nextMs).toBeGreaterThan(now - (duration === 0 ? 1 : 0))
          }
          expect(cadence.nextMs).toBe(1000 + (reads + missed) * interval)
        },
      ),
    )
  })

  it('that is taken up again goes on at its next instant', () => {
    expect(Cadence.from(1000, 300, 1000).nextMs).toBe(1000)
    expect(Cadence.from(1000, 300, 1001).nextMs).toBe(1300)
    expect(Cadence.from(1000, 300, 1600).nextMs).toBe(1600)
  })

  it('intervals that divide one another fall together', () => {
    const second = new Cadence(7.25, 1000)
    const five = new Cadence(7.25, 5000)
    five.advance(7.25)
    for (let count = 0; count < 5; count += 1) second.advance(second.nextMs)
    expect(second.nextMs).toBe(five.nextMs)
  })
})

describe('limits of IoT Core', () => {
  it('the bucket never lets 100 pass in a second, and keeps its rate over time', () => {
    const bucket = new TokenBucket(80, 0)
    const sent: number[] = []
    for (let now = 0; now < 10_000; now += 1) while (bucket.take(now, 500)) sent.push(now)
    for (const start of sent) expect(sent.filter((at) => at >= start && at < start + 1000).length).toBeLessThan(100)
    expect(sent.length).toBeGreaterThanOrEqual(800)
    expect(sent.length).toBeLessThanOrEqual(815)
  })

  it.each([1, 80, 95])('the bucket lets no 512 KiB pass in a second, at %i publishes/s', (perSecond) => {
    const sizes = fc.array(fc.integer({ min: 100, max: 131_072 }), { minLength: 1, maxLength: 50 })
    fc.assert(
      fc.property(sizes, (bytes) => {
        const bucket = new TokenBucket(perSecond, 0)
        const sent: { at: number; bytes: number }[] = []
        for (let now = 0, next = 0; now < 5000; now += 1)
          while (bucket.take(now, bytes[next % bytes.length]!)) {
            sent.push({ at: now, bytes: bytes[next % bytes.length]! })
            next += 1
          }
        expect(sent.length).toBeGreaterThan(0)
        for (const { at: start } of sent) {
          const inSecond = sent.filter(({ at }) => at >= start && at < start + 1000)
          expect(inSecond.reduce((sum, one) => sum + one.bytes, 0)).toBeLessThanOrEqual(512 * 1024)
        }
      }),
      { numRuns: 30 },
    )
  })

  it('back-off stays between a second and a minute, and begins anew after a success', () => {
    const backoff = new Backoff({ firstMs: 1000, longestMs: 60_000 })
    expect(backoff.nextMs(1)).toBe(2000)
    expect(backoff.nextMs(0)).toBe(1000)
    for (let count = 0; count < 20; count += 1) expect(backoff.nextMs(1)).toBeLessThanOrEqual(60_000)
    expect(backoff.nextMs(1)).toBe(60_000)
    backoff.reset()
    expect(backoff.nextMs(1)).toBe(2000)
  })

  it('tries 8883, then 443 with ALPN, unless a port is named', () => {
    const host = 'abc-ats.iot.us-east-1.amazonaws.com'
    expect(addressesOf(host, 'auto')).toEqual([
      { host, port: 8883 },
      { host, port: 443, alpn: 'x-amzn-mqtt-ca' },
    ])
    expect(addressesOf(host, 443)).toEqual([{ host, port: 443, alpn: 'x-amzn-mqtt-ca' }])
    expect(addressesOf('127.0.0.1:9883', 'auto')).toEqual([{ host: '127.0.0.1', port: 9883 }])
    expect(addressesOf('[::1]:9883', 8884)).toEqual([{ host: '::1', port: 8884 }])
  })
})

describe('scaling', () => {
  it('leaves no rounding dust, and tells what overflows', () => {
    expect(scaled({ scale: 0.1, offset: 0 }, { value: 7, quality: 'good' })).toEqual({ value: 0.7, quality: 'good' })
    expect(scaled({ scale: 0.01, offset: -40 }, { value: 6512, quality: 'uncertain' })).toEqual({
      value: 25.12,
      quality: 'uncertain',
    })
    expect(scaled({ scale: 1e300, offset: 0 }, { value: 1e300, quality: 'good' })).toMatchObject({
      value: null,
      quality: 'bad',
    })
    // Nanoseconds of a 64 bit clock as milliseconds.
    expect(scaled({ scale: 1e-6, offset: 0 }, { value: 1_736_350_000_123_456_789, quality: 'uncertain' }).value).toBe(
      1_736_350_000_123.46,
    )
    expect(scaled({ scale: 1, offset: -1 }, { value: 9_007_199_254_740, quality: 'good' }).value).toBe(
      9_007_199_254_739,
    )
    expect(scaled({ scale: 2, offset: 0 }, { value: true, quality: 'good' })).toEqual({ value: true, quality: 'good' })
  })
})

describe('clamp', () => {
  const tag = { scale: 0.1, offset: 0, clamp: [0, 10] as [number, number] }

  it('tells a value beyond its limits as the limit, and never as good', () => {
    expect(scaled(tag, { value: 99, quality: 'good' })).toEqual({ value: 9.9, quality: 'good' })
    expect(scaled(tag, { value: 101, quality: 'good' })).toEqual({
      value: 10,
      quality: 'uncertain',
      fault: '10.1 is beyond 0 to 10, and told as 10',
    })
    expect(scaled(tag, { value: -1, quality: 'good' })).toMatchObject({ value: 0, quality: 'uncertain' })
    expect(scaled(tag, { value: null, quality: 'bad' })).toEqual({ value: null, quality: 'bad' })
  })
})

describe('log', () => {
  it('says a repeated failure once, and again after it was settled', () => {
    const lines: string[] = []
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        lines.push(chunk.toString())
        done()
      },
    })
    const log = createLog({ out: stream, err: stream })
    for (let count = 0; count < 5; count += 1) log.warnOften('plc-1', 'plc-1: down')
    log.settled('plc-1')
    log.warnOften('plc-1', 'plc-1: down')
    expect(lines).toHaveLength(2)
    expect(lines[0]).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z WARN {2}plc-1: down\n$/)
  })
})
