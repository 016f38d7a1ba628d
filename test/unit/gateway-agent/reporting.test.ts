import { describe, expect, it } from 'vitest'
import type { DataValue } from '../../../gateway-agent/src/drivers/driver.ts'
import { MAX_SILENCE_MS, ReportByException, type ReportingTag } from '../../../gateway-agent/src/reporting.ts'

const good = (values: Record<string, DataValue['value']>) =>
  new Map(Object.entries(values).map(([name, value]): [string, DataValue] => [name, { value, quality: 'good' }]))

const report = (...tags: Partial<ReportingTag>[]) =>
  new ReportByException(tags.map((tag) => ({ name: 'a', intervalMs: 1, ...tag })))

describe('report by exception', () => {
  it('without any dead-band every cycle is sent', () => {
    const always = report({})
    expect([0, 1, 2].map((now) => always.isDue(good({ a: 1 }), now))).toEqual([true, true, true])
  })

  it('holds values against the last one sent, so that a slow drift is not lost', () => {
    const drifting = report({ deadband: 0.5 }, { name: 'on' })
    expect(drifting.isDue(good({ a: 1, on: false }), 0)).toBe(true)
    expect(drifting.isDue(good({ a: 1.3, on: false }), 1)).toBe(false)
    expect(drifting.isDue(good({ a: 1.5, on: false }), 2)).toBe(false)
    expect(drifting.isDue(good({ a: 1.6, on: false }), 3)).toBe(true)
    expect(drifting.isDue(good({ a: 1.2, on: false }), 4)).toBe(false)
    expect(drifting.isDue(good({ a: 1.2, on: true }), 5)).toBe(true)
  })

  it('a change of quality is sent, and silence ends after the longest', () => {
    const quiet = report({ deadband: 5 })
    quiet.isDue(good({ a: 1 }), 0)
    expect(quiet.isDue(new Map([['a', { value: null, quality: 'bad' }]]), 1)).toBe(true)
    expect(quiet.isDue(good({ a: 1 }), 2)).toBe(true)
    expect(quiet.isDue(good({ a: 1 }), 1 + MAX_SILENCE_MS)).toBe(false)
    expect(quiet.isDue(good({ a: 1 }), 2 + MAX_SILENCE_MS)).toBe(true)
  })

  it('a dead-band in per cent counts from the value sent last; where both are given, the wider one decides', () => {
    const percent = report({ deadbandPercent: 2 })
    const sent = (value: number, now: number) => percent.isDue(good({ a: value }), now)
    expect([sent(-200, 0), sent(-204, 1), sent(-204.1, 2), sent(-200.1, 3)]).toEqual([true, false, true, false])
    const both = report({ deadbandPercent: 2, deadband: 10 })
    expect([200, 209, 211].map((value, now) => both.isDue(good({ a: value }), now))).toEqual([true, false, true])
  })

  it('a longest silence alone means: on change; each tag has its own, and half a cycle early is in time', () => {
    const own = report({ maxSilenceMs: 3000, intervalMs: 1000 }, { name: 'b', maxSilenceMs: 60_000 })
    const times = [0, 1000, 2000, 2998, 4000, 5998].map((now) => own.isDue(good({ a: 1, b: 2 }), now))
    expect(times).toEqual([true, false, false, true, false, true])
    expect(own.isDue(good({ a: 1, b: 3 }), 6000)).toBe(true)
  })
})
