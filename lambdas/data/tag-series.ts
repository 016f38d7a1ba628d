/**
 * What the readings of one tag come to. The rollups are made by it, and history uses it for what is not rolled up yet.
 *
 * - A `null` and a value of bad quality are no value: only that they came is counted. An uncertain one is a value.
 * - Numbers: count, least, greatest, sum and last of each cell (a minute, or less for a close look).
 * - Booleans: for how long it was true, of the time for which it was known. A reading holds until the next one of its
 *   tag, but no longer than its cell: of each minute the time before its first reading is not known. So a cell depends
 *   on its own readings only, and late data changes no other one.
 * - Strings: their changes. A value is known until the next reading, or for SILENCE_MS; from then on it is null.
 */
import type { Scalar } from '../../schemas/telemetry.ts'

/** How long the last value of a string is taken to be true when nothing more is heard. */
export const SILENCE_MS = 5 * 60_000

export interface Cell {
  count: number
  min: number
  max: number
  /** Booleans: ms for which it was true. */
  sum: number
  /** What the average divides by. Booleans: ms for which it was known; numbers: the count. */
  weight: number
  last: number
}

/** `[at, value]`: the value from `at` on, null when it is not known. */
export type Change = [at: number, value: string | null]

/** Readings of one tag, added by (timestamp, seq). Cells by the epoch ms of their begin. */
export class TagSeries {
  readonly number = new Map<number, Cell>()
  readonly boolean = new Map<number, Cell>()
  /** Readings without a value. */
  readonly bad = new Map<number, number>()
  readonly text: TextChanges
  /** Newest reading with a value. */
  newest: { at: number; kind: 'number' | 'boolean' | 'string' } | undefined
  readonly #cellMs: number
  #held: { cell: Cell; since: number; until: number } | undefined

  /** `cellMs` divides a minute. `thinMs`: of several changes of a string within this time the last is kept. */
  constructor({ cellMs, thinMs }: { cellMs: number; thinMs?: number }) {
    this.#cellMs = cellMs
    this.text = new TextChanges(thinMs)
  }

  add(at: number, value: Scalar): void {
    this.end(at)
    this.text.add(at, typeof value === 'string' ? value : null)
    const start = at - (at % this.#cellMs)
    if (value === null) {
      this.bad.set(start, (this.bad.get(start) ?? 0) + 1)
      return
    }
    const kind = typeof value as 'number' | 'boolean' | 'string'
    this.newest = { at, kind }
    if (typeof value === 'string') return
    const cell = cellAt(typeof value === 'number' ? this.number : this.boolean, start)
    const amount = Number(value)
    cell.count += 1
    cell.min = Math.min(cell.min, amount)
    cell.max = Math.max(cell.max, amount)
    cell.last = amount
    if (typeof value === 'number') addTo(cell, amount, 1)
    else this.#held = { cell, since: at, until: start + this.#cellMs }
  }

  /** Nothing more is known until `at`. Called once more when all readings are in. */
  end(at: number): void {
    if (!this.#held) return
    const { cell, since, until } = this.#held
    const heldMs = Math.max(0, Math.min(at, until) - since)
    addTo(cell, cell.last * heldMs, heldMs)
    this.#held = undefined
  }
}

function cellAt(cells: Map<number, Cell>, start: number): Cell {
  let cell = cells.get(start)
  if (!cell) cells.set(start, (cell = emptyCell()))
  return cell
}

export const emptyCell = (): Cell => ({ count: 0, min: Infinity, max: -Infinity, sum: 0, weight: 0, last: 0 })

/** Never infinite, which JSON does not know: PLCs that were never written to can hold numbers near the greatest one. */
function addTo(cell: Cell, sum: number, weight: number): void {
  cell.sum = Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, cell.sum + sum))
  cell.weight += weight
}

/** Adds the cell that follows. */
export function mergeCell(into: Cell, next: Cell): void {
  into.count += next.count
  into.min = Math.min(into.min, next.min)
  into.max = Math.max(into.max, next.max)
  into.last = next.last
  addTo(into, next.sum, next.weight)
}

/** Within min and max in spite of rounding, and where a boolean was known for less than a millisecond. */
export const averageOf = ({ min, max, sum, weight }: Cell): number =>
  weight === 0 ? min : Math.max(min, Math.min(max, sum / weight))

export class TextChanges {
  readonly changes: Change[] = []
  /** Readings with a string. */
  count = 0
  lastAt: number | undefined
  readonly #thinMs: number

  constructor(thinMs = 1) {
    this.#thinMs = thinMs
  }

  add(at: number, value: string | null): void {
    this.#silenceUntil(at)
    this.#change(at, value)
    this.lastAt = at
    if (value !== null) this.count += 1
  }

  /** Changes of a later time, the last reading of which was at `lastAt`. */
  append(changes: Change[], lastAt: number): void {
    if (changes.length === 0) return
    this.#silenceUntil(changes[0]![0])
    for (const [at, value] of changes) this.#change(at, value)
    this.lastAt = lastAt
  }

  /** No reading followed until `at`. */
  end(at: number): void {
    this.#silenceUntil(at)
  }

  #silenceUntil(at: number): void {
    if (this.lastAt !== undefined && at - this.lastAt > SILENCE_MS) this.#change(this.lastAt + SILENCE_MS, null)
  }

  #change(at: number, value: string | null): void {
    const before = this.changes.at(-1)
    if (before && before[1] === value) return
    if (before && Math.floor(before[0] / this.#thinMs) === Math.floor(at / this.#thinMs)) this.changes.pop()
    if (this.changes.at(-1)?.[1] !== value) this.changes.push([at, value])
  }
}
