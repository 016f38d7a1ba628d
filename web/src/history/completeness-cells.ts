import type { CompletenessStrip } from '../../../schemas/api.ts'
import { MAX_STRIP_CELLS } from '../../../schemas/api.ts'
import type { Span } from './chart-range.ts'

export type CompletenessCell = CompletenessStrip['cells'][number]

const HOUR_MS = 3_600_000
const CELLS_MS = [1, 2, 3, 4, 6, 8, 12, 24, 48, 7 * 24].map((hours) => hours * HOUR_MS)

/** An hour where that gives few enough cells, else longer. Longer ranges than the strip can tell of are cut at their begin. */
export function cellsOf({ from, to }: Span): { from: number; to: number; cellMs: number } {
  const count = (ms: number) => Math.ceil(to / ms) - Math.floor(from / ms)
  const cellMs = CELLS_MS.find((ms) => count(ms) <= MAX_STRIP_CELLS) ?? CELLS_MS.at(-1)!
  const first = Math.max(Math.floor(from / cellMs), Math.ceil(to / cellMs) - MAX_STRIP_CELLS) * cellMs
  return { from: Math.floor(first), to: Math.ceil(to), cellMs }
}

/** What is said of a cell in one word, the worst first. `unknown`: no gateway has declared anything of it. */
export const CELL_STATES = ['lost', 'dropped', 'quarantined', 'held', 'full', 'undeclared', 'unknown'] as const
export type CellState = (typeof CELL_STATES)[number]

export function cellState(cell: CompletenessCell): CellState {
  const reason = (['lost', 'dropped', 'quarantined', 'held'] as const).find((each) => cell[each] > 0)
  if (reason) return reason
  if (cell.expected > 0) return 'full'
  return cell.undeclared > 0 ? 'undeclared' : 'unknown'
}
