import type { LiveGateway, LiveMachine, LiveMachineChange, LiveServerMessage } from '../../../schemas/live.ts'

export const PLANT = '01900000-0000-7000-8000-000000000001'

export const machineId = (n: number) => `01900000-0000-7000-8000-${String(n).padStart(12, '0')}`

export function machine(n: number, seq: number | null, values: Record<string, number> = { t: seq ?? 0 }): LiveMachine {
  const timestamp = 1_000_000 + (seq ?? 0) * 1000
  return {
    machineId: machineId(n),
    slug: `machine-${n}`,
    name: null,
    status: 'active',
    thingName: 'gw-1',
    units: { t: '°C' },
    state: seq === null ? null : { timestamp, seq, receivedAt: timestamp, values },
  }
}

/** As a delta tells of a machine that watchers know. */
export const onlyState = ({ machineId, slug, state }: LiveMachine): LiveMachineChange => ({ machineId, slug, state })

export function gateway(
  name: string,
  lastSeenAt: number,
  connection: LiveGateway['connection'] = 'online',
): LiveGateway {
  return {
    thingName: name,
    connection,
    reason: null,
    lastSeenAt,
    clockSkewMs: 0,
    drainEtaSec: null,
    version: '1.0.0',
    uptimeSec: 1,
    health: null,
  }
}

type Frame = Extract<LiveServerMessage, { type: 'snapshot' | 'delta' }>

/** The same picture in frames of at most two machines each. */
export function frames(
  type: 'snapshot' | 'delta',
  version: number,
  machines: LiveMachineChange[],
  gateways: LiveGateway[] = [],
): Frame[] {
  const parts = Math.max(1, Math.ceil(machines.length / 2))
  return Array.from({ length: parts }, (_, index) => ({
    type: type as 'delta',
    plant: PLANT,
    version,
    machines: machines.slice(index * 2, index * 2 + 2),
    gateways: index === 0 ? gateways : [],
    alarms: [],
    part: index + 1,
    parts,
  }))
}
