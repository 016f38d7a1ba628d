import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { History } from '../../../schemas/api.ts'
import { type HistoryPoint } from '../../../schemas/api.ts'
import { chartCsv } from '../../../web/src/components/chart/chart-csv.ts'
import { chartsOf, paddedRange } from '../../../web/src/components/chart/chart-layout.ts'
import { panned, rangeOf, rangeQuery, spanOf, within, zoomed } from '../../../web/src/history/chart-range.ts'
import { cellsOf, cellState } from '../../../web/src/history/completeness-cells.ts'
import { lateSpan, numberSeries, pointAt, withTail } from '../../../web/src/history/number-series.ts'
import { barAt, stateBars } from '../../../web/src/history/state-bars.ts'

const HOUR = 3_600_000
const NOW = Date.UTC(2026, 10, 26, 12)
const reading = (at: number, value: number): HistoryPoint => [at, value, value, value, 1]

describe('the range of a chart', () => {
  it('is the same after a way through the address', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: NOW }),
        fc.integer({ min: 10_000, max: 30 * 24 * HOUR }),
        (from, length) => {
          const range = within({ from, to: from + length }, NOW)
          expect(rangeOf(rangeQuery(range))).toEqual(range)
        },
      ),
    )
    for (const name of ['10min', '1h', '8h', '24h', '7d', '30d']) {
      const range = rangeOf({ range: name })
      expect(rangeOf(rangeQuery(range))).toEqual(range)
    }
  })

  it.each([
    { range: 'for ever' },
    { from: '5', to: '4' },
    { from: 'x', to: 'y' },
    { from: '1', to: String(800 * 24 * HOUR) },
    { from: ['1', '2'], to: '3' },
  ])('is the last hour where the address says nonsense: %o', (query) => {
    expect(rangeOf(query)).toEqual({ live: true, name: '1h', lengthMs: HOUR })
  })

  it('never reaches into the future, and is never too short or too long', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1e6, max: 1e6 }),
        fc.double({ min: 1e-9, max: 1e9, noNaN: true }),
        (pan, factor) => {
          const span = zoomed(panned({ from: NOW - HOUR, to: NOW }, pan / 1e4), factor)
          const { from, to } = spanOf(within(span, NOW), NOW)
          expect(to).toBeLessThanOrEqual(NOW)
          expect(to - from).toBeGreaterThanOrEqual(10_000)
          expect(to - from).toBeLessThanOrEqual(730 * 24 * HOUR)
        },
      ),
    )
  })
})

describe('a line', () => {
  it('keeps a spike of one sample in 24 h: its greatest value stands in its bucket', () => {
    const points = Array.from({ length: 720 }, (_, n): HistoryPoint => [n * 120_000, 20, 20, n === 400 ? 96 : 21, 120])
    const series = numberSeries(points, 120_000)
    expect(Math.max(...series.greatest.map(Number))).toBe(96)
    expect(pointAt(series, 400 * 120_000)).toMatchObject({ greatest: 96, mean: 20 })
    expect(series.mean).not.toContain(null)
  })

  it('is broken where values were missing, and says nothing there', () => {
    const points = [0, 1, 2, 3, 20, 21].map((minute) => reading(minute * 60_000, minute))
    const series = numberSeries(points, 0)
    expect(series.mean).toEqual([0, 1, 2, 3, null, 20, 21])
    expect(pointAt(series, 11 * 60_000)).toBeUndefined()
    expect(pointAt(series, 3.4 * 60_000)).toMatchObject({ mean: 3 })
  })

  it('is broken where a reading was no good value', () => {
    const points = [0, 10_000, 20_000].map((at) => reading(at, 1))
    expect(numberSeries(points, 0, [[15_000, 20_000]]).mean).toEqual([1, 1, null, 1])
    expect(numberSeries(points, 0, [[10_000, 11_000]]).mean).toEqual([1, 1, 1])
  })

  it('is not broken by a machine that is steady and sends every 10 s', () => {
    const series = numberSeries(
      [reading(0, 1), reading(1000, 2), reading(2000, 2), reading(12_000, 2), reading(22_000, 3)],
      0,
    )
    expect(series.mean).toEqual([1, 2, 2, 2, 3])
  })

  it('goes on with what comes live, each reading once', () => {
    const points: HistoryPoint[] = [
      [0, 1, 2, 3, 60],
      [60_000, 1, 2, 3, 60],
    ]
    const tail = [reading(90_000, 7), reading(119_000, 8), reading(121_000, 9), reading(122_000, 10)]
    const series = numberSeries(withTail(points, 60_000, tail), 60_000)
    expect(series.mean).toEqual([2, 2, 9, 10])
    expect(series.times).toEqual([30_000, 90_000, 121_000, 122_000])
    expect(withTail([], 0, tail)).toEqual(tail)
  })

  it('tells late data from what is merely new', () => {
    const before = numberSeries([reading(0, 1), reading(1000, 1), reading(200_000, 1)], 0)
    const grown = numberSeries([reading(0, 1), reading(1000, 1), reading(200_000, 1), reading(201_000, 1)], 0)
    const filled = numberSeries(
      [0, 1000, 50_000, 60_000, 200_000].map((at) => reading(at, 1)),
      0,
    )
    expect(lateSpan(before, grown)).toBeUndefined()
    expect(lateSpan(before, filled)).toEqual({ from: 50_000, to: 60_000 })
  })
})

describe('bars of states', () => {
  const history = (given: Partial<History>) => ({ tag: 't', from: 0, to: 100_000, bucketMs: 0, ...given }) as History

  it('hold until the next reading, and end where nothing is known', () => {
    const points = [reading(0, 1), reading(10_000, 1), reading(20_000, 0), reading(90_000, 1)]
    const bars = stateBars(history({ kind: 'boolean', points }), 95_000)
    expect(bars.map(({ from, to, value }) => [from, to, value])).toEqual([
      [0, 20_000, 'true'],
      [20_000, 30_000, 'false'],
      [90_000, 95_000, 'true'],
    ])
    expect(barAt(bars, 60_000)).toBeUndefined()
  })

  it('are whole for a machine that is slow, as a line is', () => {
    const points = [0, 60_000, 120_000, 180_000].map((at) => reading(at, 1))
    const bars = stateBars(history({ kind: 'boolean', points, to: 200_000 }), 200_000)
    expect(bars.map(({ from, to }) => [from, to])).toEqual([[0, 200_000]])
  })

  it('say of a bucket that was both how much of it was true', () => {
    const points: HistoryPoint[] = [
      [0, 1, 1, 1, 60],
      [60_000, 0, 0.25, 1, 60],
    ]
    expect(stateBars(history({ kind: 'boolean', bucketMs: 60_000, points }), 120_000)).toMatchObject([
      { value: 'true' },
      { value: null, share: 0.25 },
    ])
  })

  it('of texts leave out when nothing is known', () => {
    const points: [number, string | null][] = [
      [0, 'RUN'],
      [5000, null],
      [9000, 'STOP'],
    ]
    expect(
      stateBars(history({ kind: 'string', points }), 10_000).map(({ from, to, value }) => [from, to, value]),
    ).toEqual([
      [0, 5000, 'RUN'],
      [9000, 10_000, 'STOP'],
    ])
  })
})

describe('charts', () => {
  const line = (tag: string, unit: string) => ({
    tag,
    label: tag,
    unit,
    color: 1,
    series: numberSeries([], 0),
    bad: [],
    yesterday: undefined,
  })

  it('have two units at most, and the next chart has the others', () => {
    const charts = chartsOf([line('a', '°C'), line('b', 'bar'), line('c', '°C'), line('d', 'A'), line('e', '')])
    expect(charts.map((chart) => chart.map(({ tag }) => tag))).toEqual([
      ['a', 'b', 'c'],
      ['d', 'e'],
    ])
  })

  it('give every value a place on the axis', () => {
    const finite = fc.double({ noNaN: true, noDefaultInfinity: true })
    fc.assert(
      fc.property(finite, finite, fc.constantFrom('', '%', '°C'), (a, b, unit) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)]
        const [from, to] = paddedRange(low, high, unit)
        expect(from).toBeLessThanOrEqual(low)
        expect(to).toBeGreaterThanOrEqual(high)
        expect(Number.isFinite(to) && Number.isFinite(from)).toBe(true)
      }),
    )
  })
})

describe('the strip of completeness', () => {
  it('has as many cells as the API gives at most, whatever the range', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: NOW }), fc.integer({ min: 1, max: 730 * 24 * HOUR }), (from, length) => {
        const asked = cellsOf({ from, to: from + length })
        expect(Math.ceil((asked.to - asked.from) / asked.cellMs)).toBeLessThanOrEqual(48)
        expect(asked.from % asked.cellMs).toBe(0)
        expect(asked.to).toBeGreaterThan(asked.from)
      }),
    )
  })

  it('shows the worst of a cell', () => {
    const cell = {
      from: 0,
      to: 1,
      expected: 10,
      stored: 7,
      percent: 70,
      missing: 3,
      held: 1,
      dropped: 1,
      quarantined: 0,
      lost: 1,
      underway: 0,
      undeclared: 0,
    }
    expect(cellState(cell)).toBe('lost')
    expect(cellState({ ...cell, lost: 0 })).toBe('dropped')
    expect(cellState({ ...cell, lost: 0, dropped: 0, held: 0, missing: 0 })).toBe('full')
    expect(cellState({ ...cell, lost: 0, dropped: 0, held: 0, expected: 0 })).toBe('unknown')
  })
})

describe('the CSV of a chart', () => {
  const series = numberSeries([reading(0, 1.5), reading(1000, -2)], 0)
  const time = (at: number) => `t${at}`

  it('is one that a spreadsheet of the reader’s country opens', () => {
    expect(chartCsv([{ tag: 'a', unit: 'bar', series }], 'es-AR', time, 'Hora')).toBe(
      '\uFEFFHora;epoch ms;a (bar) min;a (bar) avg;a (bar) max\r\nt0;0;1,5;1,5;1,5\r\nt1000;1000;-2;-2;-2\r\n',
    )
    expect(chartCsv([{ tag: 'a', unit: '', series }], 'en-US', time, 'Time')).toContain('t0,0,1.5,1.5,1.5\r\n')
  })

  it('has no cell that a spreadsheet would run as a formula', () => {
    const bars = [
      { from: 0, to: 10, value: '=cmd|"x"!A1', share: undefined },
      { from: 10, to: 20, value: 'a;b', share: undefined },
    ]
    const csv = chartCsv([{ tag: 's', unit: '', bars }], 'es-AR', time, 'Hora')
    expect(csv).toContain(`t0;0;"'=cmd|""x""!A1"`)
    expect(csv).toContain('t10;10;"a;b"')
  })
})
