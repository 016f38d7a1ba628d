/**
 * Builds the snapshot and delta messages of the live socket, cut into parts that fit one WebSocket frame.
 *
 * API Gateway takes frames of at most 32 KB. A machine with 256 long tags is larger than that by itself: its values are
 * then given in several entries with the same `machineId`, `timestamp` and `seq`, each with the units of its tags, and who
 * reads merges them.
 */
import type { Alarm } from '../../schemas/alarms.ts'
import type { LiveGateway, LiveMachineChange, LiveServerMessage } from '../../schemas/live.ts'

/** Below both readings of "32 KB" (32,000 and 32,768 bytes). */
export const MAX_FRAME_BYTES = 32_000

/** Bytes kept for what surrounds the entries: type, plant (a uuid), version, part and parts, with their names. */
const FRAME_BYTES_AROUND_ENTRIES = 250

const MAX_ENTRY_BYTES = MAX_FRAME_BYTES - FRAME_BYTES_AROUND_ENTRIES

export interface PlantPicture {
  /** Id of the plant. */
  plant: string
  version: number
  /** Of a snapshot: whole ones. */
  machines: LiveMachineChange[]
  gateways: LiveGateway[]
  alarms: Alarm[]
}

type Frame = Omit<Extract<LiveServerMessage, { type: 'delta' }>, 'type'> & { type: 'snapshot' | 'delta' }

/** JSON texts to post, in order, each of at most MAX_FRAME_BYTES. There is always at least one, if only to say "nothing". */
export function liveFrames(type: 'snapshot' | 'delta', picture: PlantPicture): string[] {
  const { plant, version } = picture
  const groups = groupByBytes([
    ...picture.machines.flatMap(splitMachine).map((machine) => ({ machine, bytes: jsonBytes(machine) })),
    ...picture.gateways.map((gateway) => ({ gateway, bytes: jsonBytes(gateway) })),
    ...picture.alarms.map((alarm) => ({ alarm, bytes: jsonBytes(alarm) })),
  ])
  return groups.map((group, index) => {
    const message: Frame = {
      type,
      plant,
      version,
      part: index + 1,
      parts: groups.length,
      machines: group.flatMap((entry) => ('machine' in entry ? [entry.machine] : [])),
      gateways: group.flatMap((entry) => ('gateway' in entry ? [entry.gateway] : [])),
      alarms: group.flatMap((entry) => ('alarm' in entry ? [entry.alarm] : [])),
    }
    return JSON.stringify(message)
  })
}

type Entry = { bytes: number } & ({ machine: LiveMachineChange } | { gateway: LiveGateway } | { alarm: Alarm })

function groupByBytes(entries: Entry[]): Entry[][] {
  const groups: Entry[][] = [[]]
  let used = 0
  for (const entry of entries) {
    if (used > 0 && used + entry.bytes > MAX_ENTRY_BYTES) {
      groups.push([])
      used = 0
    }
    groups.at(-1)!.push(entry)
    used += entry.bytes
  }
  return groups
}

function splitMachine(machine: LiveMachineChange): LiveMachineChange[] {
  const state = machine.state
  if (state === null || jsonBytes(machine) <= MAX_ENTRY_BYTES) return [machine]
  const tags = Object.keys(state.values)
  const half = Math.ceil(tags.length / 2)
  const unitsOf = (some: string[]) => (machine.units === undefined ? {} : { units: pick(machine.units, some) })
  if (half === tags.length) return [{ ...machine, ...unitsOf(tags) }]
  return [tags.slice(0, half), tags.slice(half)].flatMap((some) =>
    splitMachine({
      ...machine,
      ...unitsOf(some),
      state: {
        ...state,
        values: pick(state.values, some),
        ...(state.quality && { quality: pick(state.quality, some) }),
      },
    }),
  )
}

function pick<Value>(record: Record<string, Value>, names: string[]): Record<string, Value> {
  return Object.fromEntries(names.filter((name) => Object.hasOwn(record, name)).map((name) => [name, record[name]!]))
}

/** With the comma that follows it in a list. */
function jsonBytes(entry: LiveMachineChange | LiveGateway | Alarm): number {
  return Buffer.byteLength(JSON.stringify(entry)) + 1
}
