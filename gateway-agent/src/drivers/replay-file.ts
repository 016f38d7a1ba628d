import { readFileSync } from 'node:fs'
import type { Scalar } from '../../../schemas/telemetry.ts'
import { cellsOf } from '../csv.ts'
import { messageOf } from '../failure.ts'

/** What was once recorded, to be told again with its own timing, over and over. */
export interface Replay {
  columns: readonly string[]
  /** The values of `column` that were in force `elapsedMs` after the beginning. */
  at: (column: string, elapsedMs: number) => Scalar
}

interface Row {
  atMs: number
  cells: Scalar[]
}

/**
 * Reads a CSV file: a head line, then a line per instant, the first column its time (ISO 8601, or milliseconds), in
 * order. An empty cell is null. Throws an Error that names file and line.
 */
export function readReplay(file: string): Replay {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(`cannot read ${file}: ${messageOf(error)}`, { cause: error })
  }
  const lines = text.split(/\r?\n/).map((line, index) => ({ line, number: index + 1 }))
  const [head, ...rest] = lines.filter(({ line }) => line.trim() !== '')
  const [, ...columns] = head ? cellsOf(head.line) : []
  if (columns.length === 0) throw new Error(`${file}:1: must name a time column and at least one more`)
  const rows: Row[] = []
  for (const { line, number } of rest) {
    const [time = '', ...cells] = cellsOf(line)
    const atMs = /^\d+(\.\d+)?$/.test(time) ? Number(time) : Date.parse(time)
    if (Number.isNaN(atMs)) throw new Error(`${file}:${number}: "${time}" is neither a date nor milliseconds`)
    if (rows.length > 0 && atMs <= rows.at(-1)!.atMs)
      throw new Error(`${file}:${number}: is not later than the line before`)
    if (cells.length !== columns.length) {
      throw new Error(`${file}:${number}: has ${cells.length + 1} cells, and the head line ${columns.length + 1}`)
    }
    rows.push({ atMs, cells: cells.map(scalarOf) })
  }
  if (rows.length < 2) throw new Error(`${file}: must hold at least two lines of values`)
  const firstMs = rows[0]!.atMs
  const lastMs = rows.at(-1)!.atMs
  // The last row lasts as long as the one before it.
  const lengthMs = lastMs - firstMs + (lastMs - rows.at(-2)!.atMs)
  return {
    columns,
    at(column, elapsedMs) {
      const atMs = firstMs + (elapsedMs % lengthMs)
      return rows.findLast((row) => row.atMs <= atMs)!.cells[columns.indexOf(column)]!
    },
  }
}

function scalarOf(cell: string): Scalar {
  if (cell === '') return null
  if (cell === 'true' || cell === 'false') return cell === 'true'
  const number = Number(cell)
  return Number.isFinite(number) ? number : cell
}
