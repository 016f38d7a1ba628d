import type { Configuration, DeviceConfiguration } from './configuration.ts'
import { choiceOf } from './did-you-mean.ts'
import type { BrowsedNode } from './drivers/opcua-browse.ts'
import { Failure, messageOf } from './failure.ts'

/** Of the Objects folder, where every server keeps what it is about (OPC 10000-5, 8.2.3). */
const OBJECTS = 'i=85'

export interface BrowseOptions {
  /** Name of the device; may be left out when there is one with OPC UA only. */
  device?: string | undefined
  /** NodeId to begin at. */
  node?: string | undefined
  depth: number
  /** A line of JSON per node: BrowsedNode. */
  json: boolean
}

/** Prints the nodes of an OPC UA server as a tree, each with its address and the present value. Throws a Failure. */
export async function browse(
  { devices }: Pick<Configuration, 'devices'>,
  { device: name, node: start = OBJECTS, depth, json }: BrowseOptions,
  print: (line: string) => void,
): Promise<void> {
  const device = deviceToBrowse(devices, name)
  const { browseOpcUa } = await import('./drivers/opcua-browse.ts')
  try {
    for await (const node of browseOpcUa(device, start, depth)) print(json ? JSON.stringify(node) : lineOf(node))
  } catch (error) {
    throw new Failure(`${device.name} (${device.endpoint}): ${messageOf(error)}`, 1)
  }
}

function lineOf({ level, name, address, value }: BrowsedNode): string {
  const read = value ? ` = ${value.fault ?? JSON.stringify(value.value)}` : ''
  return `${'  '.repeat(level - 1)}${name}  ${address}${read}`
}

function deviceToBrowse(devices: readonly DeviceConfiguration[], name: string | undefined) {
  const browsable = devices.filter((device) => device.driver === 'opcua')
  const names = browsable.map((device) => device.name)
  if (browsable.length === 0) throw new Failure('browse: the configuration has no device with driver opcua', 2)
  if (name === undefined && browsable.length > 1) {
    throw new Failure(`browse: --device is missing; allowed: ${names.join(', ')}`, 2)
  }
  const device = name === undefined ? browsable[0] : browsable.find((each) => each.name === name)
  if (!device) throw new Failure(`browse: "${name!}" is no device with driver opcua; ${choiceOf(name!, names)}`, 2)
  return device
}
