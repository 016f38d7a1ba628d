import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import * as v from 'valibot'
import { isMap, isNode, isPair, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml'
import { ConfigurationFile } from './configuration-schema.ts'
import { closestTo } from './did-you-mean.ts'
import { SourceError, type TagSource } from './drivers/driver.ts'
import { parseModbusTag } from './drivers/modbus-tag.ts'
import { Failure, messageOf } from './failure.ts'

export type DeviceConfiguration = ConfigurationFile['devices'][number]

export interface Tag extends TagSource {
  device: string
  intervalMs: number
  scale: number
  offset: number
  unit?: string | undefined
  /** Absolute, in the unit of the scaled value. */
  deadband?: number | undefined
}

export interface Machine {
  slug: string
  tags: Tag[]
}

export interface Configuration {
  file: string
  /** Absolute; in the file it is relative to the file's folder. */
  dataDir: string
  mqtt: ConfigurationFile['mqtt']
  buffer: ConfigurationFile['buffer']
  devices: DeviceConfiguration[]
  machines: Machine[]
}

type Path = readonly (string | number)[]
interface Problem {
  path: Path
  message: string
}

/** Reads and checks the whole file. Throws one Failure with a line `file:line: key: what is wrong` per mistake. */
export function readConfiguration(file: string): Configuration {
  const text = readText(file)
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const fail = (problems: { line: number; message: string }[]): never => {
    throw new Failure(problems.map(({ line, message }) => `${file}:${line}: ${message}`).join('\n'), 2)
  }
  if (document.errors.length > 0) {
    fail(
      document.errors.map(({ pos, message }) => ({
        line: lines.linePos(pos[0]).line,
        message: `not YAML: ${message.split('\n')[0]!}`,
      })),
    )
  }
  const lineOf = ({ path }: Problem) => lines.linePos(offsetOf(document, path)).line
  const failFor = (problems: Problem[]) =>
    fail(problems.map((problem) => ({ line: lineOf(problem), message: `${nameOf(problem.path)}: ${problem.message}` })))

  const parsed = v.safeParse(ConfigurationFile, document.toJS())
  if (!parsed.success) return failFor(parsed.issues.map((issue) => ({ path: pathOf(issue), message: issue.message })))
  const problems = contradictionsIn(parsed.output)
  if (problems.length > 0) failFor(problems)
  return {
    ...parsed.output,
    file,
    dataDir: resolve(dirname(file), parsed.output.dataDir),
    machines: parsed.output.machines.map(({ slug, device, intervalMs, tags }) => ({
      slug,
      tags: Object.entries(tags).map(([name, tag]) => ({
        ...tag,
        name,
        device: tag.device ?? device!,
        intervalMs: tag.intervalMs ?? intervalMs,
        scale: tag.scale ?? 1,
        offset: tag.offset ?? 0,
      })),
    })),
  }
}

/** Telemetry messages per second when every machine reports in each of its cycles. */
export function messagesPerSecond({ machines }: Configuration): number {
  const perMachine = machines.flatMap(({ tags }) => [
    ...new Map(tags.map(({ device, intervalMs }) => [`${device} ${intervalMs}`, 1000 / intervalMs])).values(),
  ])
  return perMachine.reduce((sum, perSecond) => sum + perSecond, 0)
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Failure(`${file}: cannot read the configuration: ${messageOf(error)}`, 2)
  }
}

/** What no schema sees: names that must exist or be unique, and addresses, which belong to the device's driver. */
function contradictionsIn({ devices, machines }: ConfigurationFile): Problem[] {
  const deviceNames = devices.map(({ name }) => name)
  const slugs = machines.map(({ slug }) => slug)
  const problems: Problem[] = [
    ...repeated(deviceNames).map((index) => ({
      path: ['devices', index, 'name'],
      message: `"${deviceNames[index]!}" is the name of another device already`,
    })),
    ...repeated(slugs).map((index) => ({
      path: ['machines', index, 'slug'],
      message: `"${slugs[index]!}" is another machine already; list all its tags there`,
    })),
  ]
  for (const [index, machine] of machines.entries()) {
    const checkDevice = (name: string | undefined, path: Path) => {
      if (name === undefined || deviceNames.includes(name)) return
      const guess = closestTo(name, deviceNames)
      problems.push({
        path,
        message: `"${name}" is not one of the devices; ${guess ? `did you mean ${guess}? Allowed` : 'allowed'}: ${deviceNames.join(', ')}`,
      })
    }
    checkDevice(machine.device, ['machines', index, 'device'])
    for (const [name, tag] of Object.entries(machine.tags)) {
      const path: Path = ['machines', index, 'tags', name]
      checkDevice(tag.device, [...path, 'device'])
      if (!tag.device && !machine.device)
        problems.push({ path, message: 'has no device, and its machine names none either' })
      problems.push(...problemsOfSource({ ...tag, name }, tag, path))
    }
  }
  return problems
}

/** Keys that count with numbers, and so say nothing for text and bits. */
const NUMERIC_KEYS = ['scale', 'offset', 'deadband'] as const

function problemsOfSource(
  source: TagSource,
  tag: Partial<Record<(typeof NUMERIC_KEYS)[number], number>>,
  path: Path,
): Problem[] {
  try {
    const { type } = parseModbusTag(source)
    if (type !== 'bool' && type !== 'string') return []
    return NUMERIC_KEYS.filter((key) => tag[key] !== undefined).map((key) => ({
      path: [...path, key],
      message: `belongs to a number, and this tag is ${type === 'bool' ? 'a bit' : 'a string'}; remove it`,
    }))
  } catch (error) {
    if (!(error instanceof SourceError)) throw error
    return [{ path: [...path, error.key], message: error.message }]
  }
}

/** Indexes of entries that an earlier one equals. */
const repeated = (names: readonly string[]) =>
  names.flatMap((name, index) => (names.indexOf(name) < index ? [index] : []))

const pathOf = (issue: v.BaseIssue<unknown>): Path => (issue.path ?? []).map(({ key }) => key as string | number)

/** machines[0].tags.temperature.order */
const nameOf = (path: Path) =>
  path.reduce<string>(
    (name, key) => (typeof key === 'number' ? `${name}[${key}]` : name ? `${name}.${key}` : key),
    '',
  ) || 'configuration'

/** Where the key of `path` stands in the text; for one that is missing, the mapping that lacks it. */
function offsetOf(document: Document, path: Path): number {
  let node: unknown = document.contents
  let offset = startOf(node)
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isNode(item.key) && String(item.key) === String(key))
      if (!pair) return offset
      offset = startOf(pair.key)
      node = pair.value
    } else if (isSeq(node)) {
      node = node.items[Number(key)]
      offset = startOf(node)
    } else return offset
  }
  return offset
}

const startOf = (node: unknown): number => (isNode(node) ? ((node as Node).range?.[0] ?? 0) : 0)
