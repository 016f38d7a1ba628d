import { resolve } from 'node:path'
import { messageOf } from './failure.ts'
import type { ConfigurationFile } from './configuration-schema.ts'
import { choiceOf } from './did-you-mean.ts'
import { SourceError, type TagSource } from './drivers/driver.ts'
import { kindOfSource } from './drivers/kind-of-source.ts'
import { readReplay } from './drivers/replay-file.ts'
import { readSecret, type Secret } from './secret.ts'

export type Path = readonly (string | number)[]
export interface Problem {
  path: Path
  message: string
}

type Device = ConfigurationFile['devices'][number]
type Machine = ConfigurationFile['machines'][number]

/**
 * What no schema sees: names that must exist or be unique, and addresses, which belong to the device's driver. A file
 * that broke the schema is checked as far as it is `sound`, so that all its mistakes are told at once.
 */
export function contradictionsIn(
  file: Partial<ConfigurationFile>,
  folder: string,
  isSound: (path: Path) => boolean,
): Problem[] {
  const entries = <T>(key: 'devices' | 'machines') =>
    Array.isArray(file[key]) ? [...(file[key] as T[]).entries()].filter(([, each]) => each instanceof Object) : []
  const devices = entries<Device>('devices')
  const machines = entries<Machine>('machines').filter(([, { tags }]) => (tags as unknown) instanceof Object)
  return [
    ...repeated(devices, ({ name }) => name).map(([index, name]) => ({
      path: ['devices', index, 'name'],
      message: `"${name}" is the name of another device already`,
    })),
    ...repeated(machines, ({ slug }) => slug).map(([index, slug]) => ({
      path: ['machines', index, 'slug'],
      message: `"${slug}" is another machine already; list all its tags there`,
    })),
    ...serialLinesOf(devices),
    ...copiesIn(machines, devices),
    ...secretOf(file.proxy?.password, ['proxy', 'password'], folder),
    ...devices.flatMap(([index, device]) => passwordOf(device, ['devices', index, 'password'], folder)),
    ...devices.flatMap(([index, device]) => replayFileOf(device, ['devices', index, 'file'], folder)),
    ...machines.flatMap(([index, machine]) => contradictionsOf(machine, ['machines', index], devices, folder, isSound)),
  ].filter(({ path }) => isSound(path))
}

function contradictionsOf(
  machine: Machine,
  machinePath: Path,
  devices: [number, Device][],
  folder: string,
  isSound: (path: Path) => boolean,
): Problem[] {
  const names = devices.map(([, { name }]) => name)
  const unknownDevice = (name: string | undefined, path: Path): Problem[] => {
    if (name === undefined || names.includes(name)) return []
    return [{ path, message: `"${name}" is not one of the devices; ${choiceOf(name, names)}` }]
  }
  const problems = unknownDevice(machine.device, [...machinePath, 'device'])
  for (const [name, tag] of Object.entries(machine.tags)) {
    const path: Path = [...machinePath, 'tags', name]
    if (!isSound(path)) continue
    problems.push(...unknownDevice(tag.device, [...path, 'device']))
    if (!tag.device && !machine.device)
      problems.push({ path, message: 'has no device, and its machine names none either' })
    const [index, device] = devices.find((each) => each[1].name === (tag.device ?? machine.device)) ?? []
    if (device && isSound(['devices', index!, 'driver'])) {
      problems.push(...problemsOfTag({ ...tag, name }, device, path, folder))
    }
  }
  return problems
}

/** Keys that count with numbers, and so say nothing for text and bits. */
const NUMERIC_KEYS = ['scale', 'offset', 'deadband', 'deadbandPercent', 'clamp'] as const

function problemsOfTag(
  tag: TagSource & Partial<Record<(typeof NUMERIC_KEYS)[number], unknown>>,
  device: Device,
  path: Path,
  folder: string,
): Problem[] {
  try {
    const kind = kindOfSource(device, tag, folder)
    if (kind !== 'bool' && kind !== 'text') return []
    return NUMERIC_KEYS.filter((key) => tag[key] !== undefined).map((key) => ({
      path: [...path, key],
      message: `belongs to a number, and this tag is ${kind === 'bool' ? 'a bit' : 'a string'}; remove it`,
    }))
  } catch (error) {
    if (!(error instanceof SourceError)) throw error
    return [{ path: [...path, error.key], message: error.message }]
  }
}

/** Settings of a serial line, which all devices on it must agree on. */
const LINE_KEYS = ['baudRate', 'dataBits', 'parity', 'stopBits'] as const

function serialLinesOf(devices: [number, Device][]): Problem[] {
  const units = devices.flatMap(([index, device]) => (device.driver === 'modbus-rtu' ? [{ index, device }] : []))
  return units.flatMap(({ index, device }) => {
    const { device: first } = units.find((unit) => unit.device.path === device.path)!
    return LINE_KEYS.filter((key) => device[key] !== first[key]).map((key) => ({
      path: ['devices', index, key],
      message: `is ${device[key]}, and ${first.name} on the same line ${device.path} has ${first[key]}`,
    }))
  })
}

/** Machines that read exactly what another one reads: one reading would be stored twice, under two names. */
function copiesIn(machines: [number, Machine][], devices: [number, Device][]): Problem[] {
  const simulated = new Set(devices.filter(([, { driver }]) => driver === 'simulator').map(([, { name }]) => name))
  const first = new Map<string, string>()
  return machines.flatMap(([index, { slug, device, tags }]) => {
    const sources = Object.values(tags).map((tag) => ({ device: tag.device ?? device ?? '', address: tag.address }))
    if (sources.length === 0 || sources.some((source) => simulated.has(source.device))) return []
    const key = sources
      .map((source) => `${source.device} ${source.address}`)
      .sort()
      .join('\n')
    const other = first.get(key)
    if (other === undefined) first.set(key, slug)
    if (other === undefined || other === slug) return []
    return [
      { path: ['machines', index, 'tags'], message: `are exactly those of ${other}: remove one of the two machines` },
    ]
  })
}

function replayFileOf(device: Device, path: Path, folder: string): Problem[] {
  if (device.driver !== 'simulator' || typeof device.file !== 'string') return []
  try {
    readReplay(resolve(folder, device.file))
    return []
  } catch (error) {
    return [{ path, message: messageOf(error) }]
  }
}

function passwordOf(device: Device, path: Path, folder: string): Problem[] {
  if (device.driver !== 'opcua' || device.password === undefined) return []
  if (device.user === undefined) return [{ path, message: 'belongs to a user; name it as user of the device' }]
  return secretOf(device.password, path, folder)
}

function secretOf(secret: Secret | undefined, path: Path, folder: string): Problem[] {
  try {
    if (secret instanceof Object) readSecret(secret, folder)
    return []
  } catch (error) {
    return [{ path, message: messageOf(error) }]
  }
}

/** Entries whose name an earlier one has. */
const repeated = <T>(entries: [number, T][], nameOf: (entry: T) => string): [number, string][] => {
  const names = entries.map(([, entry]) => nameOf(entry))
  return entries.flatMap(([index], place) => {
    const name = names[place]
    return typeof name === 'string' && names.indexOf(name) < place ? [[index, name]] : []
  })
}
