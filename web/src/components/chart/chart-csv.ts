import type { NumberSeries } from '../../history/number-series.ts'
import { barAt, type StateBar } from '../../history/state-bars.ts'

export interface CsvColumn {
  readonly tag: string
  readonly unit: string
  /** One of the two. */
  readonly series?: NumberSeries
  readonly bars?: readonly StateBar[]
}

/**
 * What the chart shows as a table, one row per time. In the reader's locale, because a spreadsheet reads it so: where
 * the comma is for decimals, columns are divided by semicolons. Begins with a byte order mark, which spreadsheets need for °.
 */
export function chartCsv(
  columns: readonly CsvColumn[],
  locale: string,
  timeOf: (at: number) => string,
  timeTitle: string,
): string {
  const decimalComma = new Intl.NumberFormat(locale).format(1.5).includes(',')
  const separator = decimalComma ? ';' : ','
  const figure = (value: number | null | undefined) => {
    if (value === null || value === undefined) return ''
    return decimalComma ? String(value).replace('.', ',') : String(value)
  }
  const times = [
    ...new Set(
      columns.flatMap(({ series, bars }) => [...(series?.times ?? []), ...(bars ?? []).map(({ from }) => from)]),
    ),
  ].toSorted((a, b) => a - b)
  const rows = times.map((at) => [
    timeOf(at),
    String(at),
    ...columns.flatMap(({ series, bars }) =>
      series ? cellsAt(series, at).map(figure) : [stateAt(bars ?? [], at, figure)],
    ),
  ])
  const titles = columns.flatMap(({ tag, unit, series }) => {
    const name = unit === '' ? tag : `${tag} (${unit})`
    return series ? [`${name} min`, `${name} avg`, `${name} max`] : [name]
  })
  const lines = [[timeTitle, 'epoch ms', ...titles], ...rows].map((cells) =>
    cells.map((cell) => quoted(cell, separator)).join(separator),
  )
  return `\uFEFF${lines.join('\r\n')}\r\n`
}

function cellsAt(series: NumberSeries, at: number): (number | null | undefined)[] {
  const index = series.times.indexOf(at)
  return [series.least[index], series.mean[index], series.greatest[index]]
}

function stateAt(bars: readonly StateBar[], at: number, figure: (value: number) => string): string {
  const bar = barAt(bars, at)
  if (!bar) return ''
  return bar.value ?? figure(bar.share ?? 0)
}

/** A text that a spreadsheet would run as a formula is made one that it does not. */
function quoted(cell: string, separator: string): string {
  const safe = /^[=+\-@\t\r]/.test(cell) && !/^-?\d/.test(cell) ? `'${cell}` : cell
  return /["\r\n]/.test(safe) || safe.includes(separator) ? `"${safe.replaceAll('"', '""')}"` : safe
}
