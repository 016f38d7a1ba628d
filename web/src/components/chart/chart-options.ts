import uPlot from 'uplot'
import { AXIS_WIDTH, EDGE_WIDTH, paddedRange, unitsOf, type ChartSeries } from './chart-layout.ts'

/** Colours as the theme has them now: a canvas knows no variables of CSS. */
export interface ChartColors {
  readonly text: string
  readonly muted: string
  readonly line: string
  readonly accent: string
  readonly panel: string
  readonly font: string
  series(color: number): string
}

export interface ChartSetting {
  readonly series: readonly ChartSeries[]
  readonly colors: ChartColors
  readonly timeZone: string
  readonly hasRightAxis: boolean
  readonly width: number
  readonly height: number
  readonly tickNumber: (value: number, step: number) => string
  readonly tickTime: (at: number, stepMs: number, isFirst: boolean) => string
  hooks: uPlot.Hooks.Arrays
}

const FONT_SIZE = 12
/** Of a band, in the lines' `class`. */
const EDGE = 'edge'
const RIGHT = 1
const LEFT = 3
/** As `RIGHT` and `LEFT`, of an enum without values at run time. */
const NULL_EXPAND = 2

/** A band from least to greatest with the mean as a line; the day before as dashes. */
export function chartOptions(setting: ChartSetting): uPlot.Options {
  const { colors, timeZone } = setting
  const units = unitsOf(setting.series)
  const scaleOf = (unit: string) => `y${units.indexOf(unit)}`
  const columns: uPlot.Series[] = []
  const bands: uPlot.Band[] = []
  for (const { unit, color, yesterday } of setting.series) {
    const stroke = colors.series(color)
    const common = { scale: scaleOf(unit), spanGaps: false, points: { show: false } }
    const first = columns.length + 1
    bands.push({ series: [first + 2, first], fill: faded(stroke, 0.22) })
    // Its edges are drawn too: a spike of one sample is a band without width.
    const edge = { ...common, class: EDGE, stroke: faded(stroke, 0.5), width: 1 }
    columns.push(edge, { ...common, stroke, width: 1.5, points: singlePoints(stroke) }, edge)
    if (yesterday) columns.push({ ...common, stroke: faded(stroke, 0.75), width: 1, dash: [4, 4] })
  }
  return {
    width: setting.width,
    height: setting.height,
    ms: 1,
    tzDate: (at) => uPlot.tzDate(new Date(at), timeZone),
    padding: [10, setting.hasRightAxis ? (units.length > 1 ? 0 : AXIS_WIDTH) : EDGE_WIDTH, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false, dist: 5 },
      points: {
        ...{ size: 7, width: 1.5, stroke: strokeOf },
        fill: (u, index) => (isEdge(u, index) ? 'transparent' : colors.panel),
      },
      bind: { dblclick: () => null },
    },
    scales: {
      x: { time: true, range: (_u, from, to) => [from, to] },
      ...Object.fromEntries(
        units.map((unit) => [
          scaleOf(unit),
          { range: (_u: uPlot, least: number | null, greatest: number | null) => paddedRange(least, greatest, unit) },
        ]),
      ),
    },
    axes: [timeAxis(setting), ...units.map((unit, index) => valueAxis(setting, unit, scaleOf(unit), index > 0))],
    series: [{}, ...columns],
    bands,
    hooks: setting.hooks,
  }
}

export function chartData(series: readonly ChartSeries[], span: { from: number; to: number }): uPlot.AlignedData {
  const tables = series.flatMap(({ series: today, yesterday }) => {
    const lines: uPlot.AlignedData[] = [columnsOf([today.times, today.least, today.mean, today.greatest])]
    if (yesterday) lines.push(columnsOf([yesterday.times, yesterday.mean]))
    return lines
  })
  // Without any point, uPlot would have no time axis.
  const frame = columnsOf([[span.from, span.to]])
  if (tables.length === 0) return frame
  // A gap of one line stays one where another line has points in it.
  return uPlot.join(
    [...tables, frame],
    [...tables, frame].map((columns) => columns.map(() => NULL_EXPAND)),
  )
}

const columnsOf = (columns: readonly (readonly (number | null)[])[]) => columns as unknown as uPlot.AlignedData

function timeAxis({ colors, tickTime }: ChartSetting): uPlot.Axis {
  return {
    ...axisLook(colors),
    space: 80,
    size: 40,
    values: (_u, splits, _axis, _space, stepMs) => splits.map((at, index) => tickTime(at, stepMs, index === 0)),
  }
}

function valueAxis(
  { colors, series, tickNumber }: ChartSetting,
  unit: string,
  scale: string,
  isRight: boolean,
): uPlot.Axis {
  const ofUnit = series.filter((each) => each.unit === unit)
  const look = axisLook(colors)
  return {
    ...look,
    scale,
    // Its enum has no values at run time.
    // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment
    side: isRight ? RIGHT : LEFT,
    size: AXIS_WIDTH,
    space: 36,
    grid: { ...look.grid, show: !isRight },
    // An axis that belongs to one line has its colour.
    stroke: ofUnit.length === 1 ? colors.series(ofUnit[0]!.color) : colors.muted,
    values: (_u, splits, _axis, _space, step) =>
      splits.map((value, index) => {
        const figure = tickNumber(value, step)
        return index === splits.length - 1 && unit !== '' ? `${figure} ${unit}` : figure
      }),
  }
}

function axisLook({ muted, line, font }: ChartColors) {
  return {
    stroke: muted,
    font: `${FONT_SIZE}px ${font}`,
    gap: 6,
    grid: { stroke: line, width: 1 },
    ticks: { stroke: line, width: 1, size: 4 },
  }
}

/** A value with a gap on both sides would be a line without length. */
function singlePoints(stroke: string): uPlot.Series.Points {
  return {
    show: true,
    size: 4,
    stroke,
    fill: stroke,
    filter: (u, index) => {
      const values = u.data[index]!
      const alone: number[] = []
      let before: number | null = null
      let run = 0
      const close = () => {
        if (run === 1 && before !== null) alone.push(before)
        run = 0
      }
      for (let at = 0; at < values.length; at += 1) {
        const value = values[at]
        if (value === undefined) continue
        if (value === null) close()
        else {
          before = at
          run += 1
        }
      }
      close()
      return alone
    },
  }
}

const isEdge = (u: uPlot, index: number) => u.series[index]!.class === EDGE

/** Of the point under the cursor: on the mean alone. */
function strokeOf(u: uPlot, index: number): string {
  if (isEdge(u, index)) return 'transparent'
  const { stroke } = u.series[index]!
  return typeof stroke === 'function'
    ? String((stroke as (u: uPlot, index: number) => unknown)(u, index))
    : 'transparent'
}

/** `color` is what the browser computes: rgb(r, g, b). */
export function faded(color: string, alpha: number): string {
  return color.replace('rgb(', 'rgba(').replace(')', `, ${alpha})`)
}
