import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import * as v from 'valibot'
import { isMap, isNode, isPair, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml'
import { contradictionsIn, type Path, type Problem } from './configuration-contradictions.ts'
import { ConfigurationFile } from './configuration-schema.ts'
import type { TagSource } from './drivers/driver.ts'
import { Failure, messageOf } from './failure.ts'
import type { Proxy } from './proxy-tunnel.ts'
import { readSecret } from './secret.ts'
import { insertTagLists } from './tag-list.ts'

type DeviceSection = ConfigurationFile['devices'][number]
/** A device as its driver needs it: paths absolute, secrets read. */
export type DeviceConfiguration =
  | Exclude<DeviceSection, { driver: 'opcua' }>
  | (Omit<Extract<DeviceSection, { driver: 'opcua' }>, 'password'> & { password?: string | undefined; pkiDir: string })

export interface Tag extends TagSource {
  device: string
  intervalMs: number
  scale: number
  offset: number
  unit?: string | undefined
  /** Absolute, in the unit of the scaled value. */
  deadband?: number | undefined
  /** Of the value that was sent last. */
  deadbandPercent?: number | undefined
  maxSilenceMs?: number | undefined
  /** Lowest and highest value that is told, in the unit of the scaled value. */
  clamp?: [number, number] | undefined
}

export interface Machine {
  slug: string
  tags: Tag[]
}

export interface Configuration {
  file: string
  /** The file, and those that it names: a change of any of them is a change of the configuration. */
  files: string[]
  /** Absolute; in the file it is relative to the file's folder. */
  dataDir: string
  mqtt: ConfigurationFile['mqtt']
  proxy: Proxy | undefined
  buffer: ConfigurationFile['buffer']
  devices: DeviceConfiguration[]
  machines: Machine[]
}

/** Reads and checks the whole file. Throws one Failure with a line `file:line: key: what is wrong` per mistake. */
export function readConfiguration(file: string): Configuration {
  const text = readText(file)
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const fail = (problems: { place: Place; message: string }[]): never => {
    const inOrder = problems.toSorted((a, b) => compareText(a.place.file, b.place.file) || a.place.line - b.place.line)
    throw new Failure(inOrder.map(({ place, message }) => `${place.file}:${place.line}: ${message}`).join('\n'), 2)
  }
  if (document.errors.length > 0) {
    fail(
      document.errors.map(({ pos, message }) => ({
        place: { file, line: lines.linePos(pos[0]).line },
        message: `not YAML: ${message.split('\n')[0]!}`,
      })),
    )
  }
  const folder = dirname(file)
  const content: unknown = document.toJS()
  const lists = insertTagLists(content, folder)
  const placeOf = ({ path }: Problem): Place => {
    const list = path[0] === 'machines' && path[2] === 'tags' ? lists.get(Number(path[1])) : undefined
    const line = list?.lines.get(String(path[3]))
    return list && line ? { file: list.file, line } : { file, line: lines.linePos(offsetOf(document, path)).line }
  }
  const parsed = v.safeParse(ConfigurationFile, content)
  const issues: Problem[] = (parsed.issues ?? [])
    .map((issue) => ({ path: pathOf(issue), message: issue.message }))
    // A list that cannot be read is said once, and not also as a machine without tags.
    .filter(({ path }) => !(path.length === 3 && path[2] === 'tags' && lists.get(Number(path[1]))?.problems.length))
  const isSound = (path: Path) =>
    !issues.some((issue) => path.every((key, at) => at >= issue.path.length || key === issue.path[at]))
  const problems = [...issues, ...contradictionsIn(parsed.output ?? {}, folder, isSound)]
  const ofLists = [...lists.values()].flatMap(({ file: list, problems: found }) =>
    found.map(({ line, message }) => ({ place: { file: list, line }, message })),
  )
  if (!parsed.success || problems.length > 0 || ofLists.length > 0) {
    return fail([
      ...problems.map((each) => ({ place: placeOf(each), message: `${nameOf(each.path)}: ${each.message}` })),
      ...ofLists,
    ])
  }
  const { proxy } = parsed.output
  const dataDir = resolve(folder, parsed.output.dataDir)
  return {
    ...parsed.output,
    file,
    files: [file, ...[...lists.values()].map((list) => list.file)],
    dataDir,
    proxy: proxy && { ...proxy, password: proxy.password && readSecret(proxy.password, folder) },
    devices: parsed.output.devices.map((device) => deviceOf(device, folder, dataDir)),
    machines: parsed.output.machines.map(({ slug, device, intervalMs, maxSilenceMs, tags }) => ({
      slug,
      tags: Object.entries(tags).map(([name, tag]) => ({
        ...tag,
        name,
        device: tag.device ?? device!,
        intervalMs: tag.intervalMs ?? intervalMs,
        scale: tag.scale ?? 1,
        offset: tag.offset ?? 0,
        maxSilenceMs: tag.maxSilenceMs ?? maxSilenceMs,
      })),
    })),
  }
}

function deviceOf(device: DeviceSection, folder: string, dataDir: string): DeviceConfiguration {
  if (device.driver === 'simulator') return { ...device, file: device.file && resolve(folder, device.file) }
  if (device.driver !== 'opcua') return device
  const { password } = device
  return { ...device, password: password && readSecret(password, folder), pkiDir: join(dataDir, 'opcua') }
}

interface Place {
  file: string
  line: number
}

const compareText = (a: string, b: string) => Number(a > b) - Number(a < b)

/** `dataDir` of a file that may have mistakes elsewhere. */
export function dataDirIn(file: string): string | undefined {
  const dataDir = parseDocument(readText(file)).get('dataDir')
  return typeof dataDir === 'string' ? resolve(dirname(file), dataDir) : undefined
}

/** The file and the tag lists that it names, whatever mistakes are in them. */
export function filesIn(file: string): string[] {
  try {
    const content: unknown = parseDocument(readText(file)).toJS()
    return [file, ...[...insertTagLists(content, dirname(file)).values()].map((list) => list.file)]
  } catch {
    // What `readConfiguration` says of it.
    return [file]
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Failure(`${file}: cannot read the configuration: ${messageOf(error)}`, 2)
  }
}

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
