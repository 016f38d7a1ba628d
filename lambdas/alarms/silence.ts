/**
 * What silence means, for the kinds that no reading can tell of. Pure. A gateway that is offline speaks for its machines, and a plant all
 * of whose gateways are offline for these: one alarm, where each machine would be one.
 */
import { HEARTBEAT_MS } from '../data/heartbeats.ts'
import type { GatewayHeard, MachineHeard } from '../data/read-silence.ts'
import { gatewaySource, isOfMachine, machineSource, plantSource, type Rule } from './rule.ts'
import { keyOf } from './evaluate.ts'

/** What a rule is about, where it holds. */
export interface Held {
  rule: Rule
  source: string
  /** Since when, epoch ms. */
  at: number
  about: { plantId: string; plant: string; machine?: MachineHeard; gateway?: GatewayHeard }
}

export interface Silence {
  /** By `keyOf`. Of all other sources of these rules it does not hold. */
  holds: Map<string, Held>
  /** Nothing can be said of these at the moment: what was goes on. */
  undecided: Set<string>
}

/** A gateway that has missed two heartbeats may be called stale in a moment: its machines are not judged before that. */
const DOUBTFUL_AFTER_MS = 2 * HEARTBEAT_MS

/** `rules`: all that are enabled. `isBehind`: readings wait in our own queue, so that no machine can be called silent. */
export function judgeSilence(
  rules: Rule[],
  {
    machines,
    gateways,
    now,
    isBehind,
  }: { machines: MachineHeard[]; gateways: GatewayHeard[]; now: number; isBehind: boolean },
): Silence {
  const holds: Silence['holds'] = new Map()
  const undecided: Silence['undecided'] = new Set()
  const hold = (one: Held) => {
    const key = keyOf(one.rule.ruleId, one.source)
    const known = holds.get(key)
    if (known === undefined || one.at < known.at) holds.set(key, one)
  }
  const isDown = ({ connection }: GatewayHeard) => connection === 'offline' || connection === 'stale'
  const byId = new Map(gateways.map((gateway) => [gateway.gatewayId, gateway]))
  const ofPlant = Map.groupBy(gateways, ({ plantId }) => plantId)
  const isPlantDown = (plantId: string) => {
    const all = ofPlant.get(plantId) ?? []
    return all.length > 1 && all.every(isDown)
  }
  const looksAt = (rule: Rule, { tenantId, plantId }: { tenantId: string; plantId: string }) =>
    rule.tenantId === tenantId && (rule.plantId === null || rule.plantId === plantId)
  /** One alarm for whatever is behind this gateway. */
  const holdGateway = (rule: Rule, gateway: GatewayHeard, at: number) => {
    const { plantId, plant } = gateway
    if (isPlantDown(plantId)) hold({ rule, source: plantSource(plantId), at, about: { plantId, plant } })
    else hold({ rule, source: gatewaySource(gateway.gatewayId), at, about: { plantId, plant, gateway } })
  }

  const offline = rules.filter(({ condition }) => condition.kind === 'gateway_offline')
  for (const rule of offline)
    for (const gateway of gateways.filter((one) => looksAt(rule, one))) {
      if (isDown(gateway)) holdGateway(rule, gateway, gateway.statusAt)
      else if (gateway.connection === 'unknown') {
        undecided.add(keyOf(rule.ruleId, gatewaySource(gateway.gatewayId)))
        undecided.add(keyOf(rule.ruleId, plantSource(gateway.plantId)))
      }
    }

  for (const rule of rules) {
    if (rule.condition.kind !== 'no_data') continue
    const { forMs } = rule.condition
    for (const machine of machines) {
      if (machine.tenantId !== rule.tenantId || !isOfMachine(rule, machine)) continue
      if (machine.lastSeenAt + forMs > now) continue
      const key = keyOf(rule.ruleId, machineSource(machine.machineId))
      const gateway = machine.gatewayId === null ? undefined : byId.get(machine.gatewayId)
      if (gateway !== undefined && isDown(gateway)) {
        // A rule that watches the gateway tells of it already.
        if (!offline.some((one) => looksAt(one, gateway))) holdGateway(rule, gateway, machine.lastSeenAt + forMs)
        continue
      }
      const isDoubtful =
        gateway !== undefined && (gateway.connection === 'unknown' || gateway.statusAt < now - DOUBTFUL_AFTER_MS)
      if (isBehind || isDoubtful) undecided.add(key)
      else {
        const { plantId, plant } = machine
        hold({
          rule,
          source: machineSource(machine.machineId),
          at: machine.lastSeenAt + forMs,
          about: { plantId, plant, machine },
        })
      }
    }
  }
  return { holds, undecided }
}
