import { describe, expect, it } from 'vitest'
import type { DataValue } from '../../../gateway-agent/src/drivers/driver.ts'
import { MAX_SILENCE_MS, ReportByException } from '../../../gateway-agent/src/reporting.ts'

const good = (values: Record<string, DataValue['value']>) =>
  new Map(Object.entries(values).map(([name, value]): [string, DataValue] => [name, { value, quality: 'good' }]))

describe('report by exception', () => {
  it('without any dead-band every cycle is sent', () => {
    const report = new ReportByException([{ name: 'a' }])
    expect([0, 1, 2].map((now) => report.isDue(good({ a: 1 }), now))).toEqual([true, true, true])
  })

  it('holds values against the last one sent, so that a slow drift is not lost', () => {
    const report = new ReportByException([{ name: 'a', deadband: 0.5 }, { name: 'on' }])
    expect(report.isDue(good({ a: 1, on: false }), 0)).toBe(true)
    expect(report.isDue(good({ a: 1.3, on: false }), 1)).toBe(false)
    expect(report.isDue(good({ a: 1.5, on: false }), 2)).toBe(false)
    expect(report.isDue(good({ a: 1.6, on: false }), 3)).toBe(true)
    expect(report.isDue(good({ a: 1.2, on: false }), 4)).toBe(false)
    expect(report.isDue(good({ a: 1.2, on: true }), 5)).toBe(true)
  })

  it('a change of quality is sent, and silence ends after the longest', () => {
    const report = new ReportByException([{ name: 'a', deadband: 5 }])
    report.isDue(good({ a: 1 }), 0)
    expect(report.isDue(new Map([['a', { value: null, quality: 'bad' }]]), 1)).toBe(true)
    expect(report.isDue(good({ a: 1 }), 2)).toBe(true)
    expect(report.isDue(good({ a: 1 }), 1 + MAX_SILENCE_MS)).toBe(false)
    expect(report.isDue(good({ a: 1 }), 2 + MAX_SILENCE_MS)).toBe(true)
  })
})
