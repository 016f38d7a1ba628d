import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { TAG_KEYS } from './configuration-schema.ts'
import { cellsOf, separatorOf } from './csv.ts'
import { choiceOf } from './did-you-mean.ts'
import { messageOf } from './failure.ts'

const COLUMNS = ['name', ...TAG_KEYS]
/** What the schema wants as numbers; `clamp` as two of them. */
const NUMBER_COLUMNS = ['length', 'scale', 'offset', 'deadband', 'deadbandPercent', 'maxSilenceMs', 'intervalMs']

/** A machine's tags from a CSV file: what a spreadsheet holds, a tag per line. */
export interface TagList {
  file: string
  /** As the configuration file would hold them, not yet checked. */
  tags: Record<string, Record<string, unknown>>
  /** Of each tag in the file. */
  lines: ReadonlyMap<string, number>
  problems: { line: number; message: string }[]
}

/** Puts the tags of each `tagsFile` beside those that its machine names itself; returns the lists by the machine's index. */
export function insertTagLists(content: unknown, folder: string): Map<number, TagList> {
  const lists = new Map<number, TagList>()
  const machines = content instanceof Object && 'machines' in content ? content.machines : undefined
  if (!Array.isArray(machines)) return lists
  for (const [index, machine] of (machines as unknown[]).entries()) {
    if (!(machine instanceof Object) || !('tagsFile' in machine) || typeof machine.tagsFile !== 'string') continue
    const list = readTagList(machine.tagsFile, folder)
    const own = 'tags' in machine ? (machine.tags as object | undefined) : undefined
    for (const name of Object.keys(own ?? {})) {
      const line = list.lines.get(name)
      if (line) list.problems.push({ line, message: `"${name}" is a tag of the configuration file already` })
    }
    Object.assign(machine, { tags: { ...list.tags, ...own } })
    lists.set(index, list)
  }
  return lists
}

/**
 * Reads a tag list: the head line names the columns (`name`, `address` and any other key of a tag), an empty cell is a
 * key that is not given. Separated by commas or, then with decimal commas, by semicolons.
 */
export function readTagList(name: string, folder: string): TagList {
  const file = resolve(folder, name)
  const list = { file, tags: {}, lines: new Map<string, number>(), problems: [] } satisfies TagList as TagList & {
    lines: Map<string, number>
  }
  const problem = (line: number, message: string) => list.problems.push({ line, message })
  let text: string
  try {
    text = readFileSync(file, 'utf8').replace(/^\uFEFF/, '')
  } catch (error) {
    problem(1, `cannot be read: ${messageOf(error)}`)
    return list
  }
  const [head = '', ...rows] = text.split(/\r?\n/)
  const separator = separatorOf(head)
  const columns = cellsOf(head, separator)
  for (const column of columns) {
    if (!COLUMNS.includes(column)) problem(1, `"${column}" is not a column; ${choiceOf(column, COLUMNS)}`)
  }
  for (const needed of ['name', 'address']) if (!columns.includes(needed)) problem(1, `the column ${needed} is missing`)
  if (list.problems.length > 0) return list
  for (const [index, row] of rows.entries()) {
    if (row.trim() === '') continue
    const line = index + 2
    const cells = cellsOf(row, separator)
    if (cells.length > columns.length) {
      problem(line, `has ${cells.length} cells, and the head line ${columns.length}`)
      continue
    }
    const given = columns.map((column, at) => [column, cells[at] ?? ''] as const).filter(([, cell]) => cell !== '')
    const { name: tag, ...keys } = Object.fromEntries(
      given.map(([column, cell]) => [
        column,
        valueOf(column, separator === ';' ? cell.replace(/(\d),(\d)/g, '$1.$2') : cell, cell),
      ]),
    )
    if (typeof tag !== 'string') problem(line, 'the name is missing')
    else if (list.lines.has(tag)) problem(line, `"${tag}" is the tag of line ${list.lines.get(tag)!} already`)
    else {
      list.tags[tag] = keys
      list.lines.set(tag, line)
    }
  }
  return list
}

function valueOf(column: string, numeric: string, cell: string): unknown {
  if (column === 'clamp') return numeric.split(/\s+/).map(numberOr)
  return NUMBER_COLUMNS.includes(column) ? numberOr(numeric) : cell
}

/** What is no number stays text, for the schema to refuse. */
const numberOr = (text: string): unknown => (Number.isFinite(Number(text)) ? Number(text) : text)
