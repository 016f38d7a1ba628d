import type { NumberSeries } from '../../history/number-series.ts'

/** One line of a chart. */
export interface ChartSeries {
  readonly tag: string
  readonly label: string
  /** Empty for a tag without one. */
  readonly unit: string
  /** 1 to 6: `--series-N`. */
  readonly color: number
  readonly series: NumberSeries
  /** When it was read and gave no good value. */
  readonly bad: readonly (readonly [from: number, to: number])[]
  /** Of a day before, moved to today. */
  readonly yesterday: NumberSeries | undefined
}

/** Space for the figures of an axis, in CSS px: the same in every chart, so that charts and timelines stand under one another. */
export const AXIS_WIDTH = 60
export const EDGE_WIDTH = 12
const UNITS_PER_CHART = 2

/** Which lines share a chart: at most two units in each, one for each of its axes. */
export function chartsOf(series: readonly ChartSeries[]): ChartSeries[][] {
  const units = [...new Set(series.map(({ unit }) => unit))]
  const charts = Array.from({ length: Math.ceil(units.length / UNITS_PER_CHART) }, (_, index) =>
    units.slice(index * UNITS_PER_CHART, (index + 1) * UNITS_PER_CHART),
  )
  return charts.map((chart) => series.filter(({ unit }) => chart.includes(unit)))
}

export function unitsOf(series: readonly ChartSeries[]): string[] {
  return [...new Set(series.map(({ unit }) => unit))]
}

/** Room above and below the data; zero is shown only where it is the meaning of the scale. */
export function paddedRange(least: number | null, greatest: number | null, unit: string): [number, number] {
  if (least === null || greatest === null || !Number.isFinite(least) || !Number.isFinite(greatest)) return [0, 1]
  const room = least === greatest ? Math.max(Math.abs(least) * 0.05, 0.5) : (greatest - least) * 0.08
  const low = least - room
  const high = greatest + room
  if (!Number.isFinite(low) || !Number.isFinite(high)) return [least, greatest]
  if (unit === '%') return [Math.min(0, least), Math.max(greatest + room, least === 0 && greatest === 0 ? 1 : 0)]
  // What is never negative gets no negative figures on its axis.
  return [least >= 0 ? Math.max(0, low) : low, high]
}
