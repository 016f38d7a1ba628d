import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ageOf } from '../../../web/src/display/ages.ts'
import {
  decimalsFor,
  formatNumber,
  formatTickNumber,
  formatWritten,
  settleDecimals,
} from '../../../web/src/display/numbers.ts'
import { tagLabel } from '../../../web/src/display/tag-label.ts'
import { unitRoom } from '../../../web/src/display/unit-room.ts'
import { sortTags } from '../../../web/src/live/tag-order.ts'
import { formatDateTime } from '../../../web/src/display/times.ts'
import { chooseLanguage, formatLocale } from '../../../web/src/i18n/languages.ts'
import { safeReturnPath } from '../../../web/src/views/return-path.ts'

describe('numbers', () => {
  it.each([
    [2.157, '2,16'],
    [71.23, '71,2'],
    [410.3, '410'],
    [1450, '1.450'],
    [0.0345, '0,0345'],
    [-0, '0'],
    [-3.14159, '-3,14'],
    [1e308, '1,000E308'],
    [3.2e-6, '3,20E-6'],
    [-5e-324, '-5,00E-324'],
  ])('shows %f as %s', (value, text) => {
    expect(formatNumber(value, 'es-AR', decimalsFor(value))).toBe(text)
  })

  it('shows what a person wrote with the decimals that it has', () => {
    expect([5.8, 6, 0.125, 1500, -0, 1e12].map((limit) => formatWritten(limit, 'es-AR'))).toEqual([
      ...['5,8', '6', '0,125', '1.500', '0', '1,000E12'],
    ])
  })

  it('speaks the reader’s locale', () => {
    expect(formatNumber(1450.5, 'en-US', 1)).toBe('1,450.5')
  })

  it('keeps the decimals of a tag, whatever comes', () => {
    expect(settleDecimals(undefined, 0)).toBeUndefined()
    expect(settleDecimals(undefined, 71.2)).toBe(1)
    expect(settleDecimals(1, 105.3)).toBe(1)
    expect(settleDecimals(1, 0.0123)).toBe(1)
  })

  it('takes back what was chosen near zero, once', () => {
    expect(settleDecimals(4, 3.51)).toBe(2)
    expect(settleDecimals(2, 0.02)).toBe(2)
  })

  it('shows a zero of a tag that was near it with two decimals, and its noise as zero', () => {
    const stood = settleDecimals(undefined, 0.0042)
    expect([0, 0.00002, -0.00002, 0.0042].map((value) => formatNumber(value, 'es-AR', stood))).toEqual([
      ...['0,00', '0,00', '0,00', '0,0042'],
    ])
  })

  it('shows a tag that is tiny always by powers of ten, until it is not', () => {
    const vacuum = settleDecimals(settleDecimals(undefined, 3.2e-6), 4.1e-7)
    expect([3.2e-6, 0, 0.5].map((value) => formatNumber(value, 'es-AR', vacuum))).toEqual(['3,20E-6', '0,00', '0,5000'])
    expect(formatNumber(3.2e-6, 'es-AR', settleDecimals(vacuum, 0.02))).toBe('0,00')
    expect(settleDecimals(vacuum, 1013)).toBe(2)
  })

  it('tells the figures of an axis apart, however close they are', () => {
    expect([0, 2e-8, 4e-8].map((value) => formatTickNumber(value, 2e-8, 'es-AR'))).toEqual(['0', '2,00E-8', '4,00E-8'])
    expect([71.2, 71.4].map((value) => formatTickNumber(value, 0.2, 'es-AR'))).toEqual(['71,2', '71,4'])
  })

  it('never shows a negative zero or a number as long as a line', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = formatNumber(value, 'es-AR', decimalsFor(value))
        expect(text).not.toMatch(/^-0(,0*)?$/)
        expect(text.length).toBeLessThan(20)
      }),
    )
  })
})

describe('tag names', () => {
  it.each([
    ['oil_temp_c', 'oil temp c'],
    ['temperature', 'temperature'],
    ['speed.rpm', 'speed.rpm'],
    ['_', '_'],
  ])('reads %s as %s', (name, label) => {
    expect(tagLabel(name)).toBe(label)
  })

  it('sorts as people count, and what tells the run state last', () => {
    const names = ['running', 'zone_10', 'zone_9', 'state', 'alpha'].map((name) => ({ name }))
    expect(sortTags(names).map((tag) => tag.name)).toEqual(['alpha', 'zone_9', 'zone_10', 'running', 'state'])
  })
})

describe('the room for units', () => {
  it.each([
    [['°C', undefined, 'bags/min'], '8ch'],
    [['m³/h', 'kilograms per square metre'], '10ch'],
    [[undefined], undefined],
    [[], undefined],
  ])('of %j is %s', (units, room) => {
    expect(unitRoom(units.map((unit) => ({ unit })))).toBe(room)
  })
})

describe('ages', () => {
  it.each([
    [0, 'now', 0],
    [2_999, 'now', 0],
    [3_000, 's', 3],
    [59_999, 's', 59],
    [240_000, 'min', 4],
    [3 * 3_600_000, 'h', 3],
    [50 * 3_600_000, 'd', 2],
    [-5_000, 'now', 0],
  ])('%i ms is %s %i', (ms, unit, count) => {
    expect(ageOf(ms)).toEqual({ unit, count })
  })
})

it('names the time zone of the plant', () => {
  const at = Date.UTC(2025, 10, 24, 13, 3, 12)
  expect(formatDateTime(at, 'es-AR', 'America/Argentina/Buenos_Aires')).toMatch(/24\/11\/2025, 10:03:12 (GMT-3|ART)/)
})

describe('language', () => {
  it('is what was chosen, else the browser’s, else Spanish', () => {
    expect(chooseLanguage('en', ['es-AR'])).toBe('en')
    expect(chooseLanguage(null, ['de-DE', 'en-GB', 'es'])).toBe('en')
    expect(chooseLanguage('xx', ['pt-BR'])).toBe('es')
  })

  it('formats Spanish as in Argentina, English as where the reader is', () => {
    expect(formatLocale('es', ['es-MX'])).toBe('es-AR')
    expect(formatLocale('en', ['es-AR', 'en-GB'])).toBe('en-GB')
    expect(formatLocale('en', ['es-AR'])).toBe('en-US')
    // Chromium where LANG is C: Intl throws at such a tag, which left the page empty.
    expect(formatLocale('en', ['en-US@posix'])).toBe('en-US')
    expect(formatLocale('en', ['en-US@posix', 'en-GB'])).toBe('en-GB')
  })
})

it('goes back only to pages of its own', () => {
  expect(safeReturnPath('/plants/a?x=1')).toBe('/plants/a?x=1')
  for (const next of ['//evil.example', '/\\evil.example', 'https://evil.example', undefined, ['/a']]) {
    expect(safeReturnPath(next)).toBe('/')
  }
})
