import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { TAG_KEYS } from './configuration-schema.ts'
import { cellsOf, separatorOf, type Separator } from './csv.ts'
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
  const problems: TagList['problems'] = []
  const tags = new Map<string, Record<string, unknown>>()
  const lines = new Map<string, number>()
  for (const { line, name: tag, keys } of rowsOf(file, problems)) {
    const earlier = lines.get(tag)
    if (earlier) problems.push({ line, message: `"${tag}" is the tag of line ${earlier} already` })
    else {
      tags.set(tag, keys)
      lines.set(tag, line)
    }
  }
  return { file, tags: Object.fromEntries(tags), lines, problems }
}

interface Row {
  line: number
  name: string
  keys: Record<string, unknown>
}

function rowsOf(file: string, problems: TagList['problems']): Row[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8').replace(/^\uFEFF/, '')
  } catch (error) {
    problems.push({ line: 1, message: `cannot be read: ${messageOf(error)}` })
    return []
  }
  const [head = '', ...rows] = text.split(/\r?\n/)
  const separator = separatorOf(head)
  const columns = cellsOf(head, separator)
  const wrong = columns.filter((column) => !COLUMNS.includes(column))
  const missing = ['name', 'address'].filter((column) => !columns.includes(column))
  problems.push(
    ...wrong.map((column) => ({ line: 1, message: `"${column}" is not a column; ${choiceOf(column, COLUMNS)}` })),
    ...missing.map((column) => ({ line: 1, message: `the column ${column} is missing` })),
  )
  if (problems.length > 0) return []
  return rows.flatMap((row, index) => {
    if (row.trim() === '') return []
    const line = index + 2
    const cells = cellsOf(row, separator)
    const name = cells[columns.indexOf('name')]
    if (cells.length > columns.length) {
      problems.push({ line, message: `has ${cells.length} cells, and the head line ${columns.length}` })
      return []
    }
    if (!name) {
      problems.push({ line, message: 'the name is missing' })
      return []
    }
    const keys = columns
      .map((column, at) => [column, cells[at] ?? ''] as const)
      .filter(([column, cell]) => column !== 'name' && cell !== '')
      .map(([column, cell]) => [column, valueOf(column, cell, separator)] as const)
    return [{ line, name, keys: Object.fromEntries(keys) }]
  })
}

function valueOf(column: string, cell: string, separator: Separator): unknown {
  const withPoints = separator === ';' ? cell.replace(/(\d),(\d)/g, '$1.$2') : cell
  if (column === 'clamp') return withPoints.split(/\s+/).map(numberOr)
  return NUMBER_COLUMNS.includes(column) ? numberOr(withPoints) : cell
}

/** What is no number stays text, for the schema to refuse. */
const numberOr = (text: string): unknown => (Number.isFinite(Number(text)) ? Number(text) : text)
