import { ref, shallowRef, type Ref, type ShallowRef } from 'vue'
import type { LiveGateway, LiveMachine } from '../../../schemas/live.ts'
import { mergeMachine, type MachineView } from './machine-view.ts'

/**
 * What is known of a plant now. One shallow ref per machine: a reading redraws its own tile and nothing else; the map
 * itself is replaced only when a machine comes or goes.
 */
export interface PlantPicture {
  readonly machines: ShallowRef<ReadonlyMap<string, ShallowRef<MachineView>>>
  readonly gateways: ShallowRef<ReadonlyMap<string, LiveGateway>>
  /** False until a snapshot, from the live connection or over HTTP, was complete. */
  readonly whole: Ref<boolean>
  /** The server no longer shows this plant to this person. */
  readonly refused: Ref<boolean>
}

export function createPlantPicture(): PlantPicture {
  return { machines: shallowRef(new Map()), gateways: shallowRef(new Map()), whole: ref(false), refused: ref(false) }
}

/** Puts in what a delta tells: machines and gateways that changed. */
export function applyChanges(picture: PlantPicture, machines: LiveMachine[], gateways: LiveGateway[]): void {
  const fresh = new Map<string, ShallowRef<MachineView>>()
  for (const machine of machines) {
    const shown = picture.machines.value.get(machine.machineId) ?? fresh.get(machine.machineId)
    if (shown) shown.value = mergeMachine(shown.value, machine)
    else fresh.set(machine.machineId, shallowRef(mergeMachine(undefined, machine)))
  }
  if (fresh.size > 0) picture.machines.value = new Map([...picture.machines.value, ...fresh])

  if (gateways.length === 0) return
  const next = new Map(picture.gateways.value)
  for (const gateway of gateways) next.set(gateway.thingName, newerGateway(next.get(gateway.thingName), gateway))
  picture.gateways.value = next
}

/** Puts in the whole picture: what is not in it has gone. */
export function applyWhole(picture: PlantPicture, machines: LiveMachine[], gateways: LiveGateway[]): void {
  const machineIds = new Set(machines.map((machine) => machine.machineId))
  const thingNames = new Set(gateways.map((gateway) => gateway.thingName))
  picture.machines.value = new Map([...picture.machines.value].filter(([id]) => machineIds.has(id)))
  picture.gateways.value = new Map([...picture.gateways.value].filter(([name]) => thingNames.has(name)))
  applyChanges(picture, machines, gateways)
  picture.whole.value = true
  picture.refused.value = false
}

/** Gateways are ordered by the broker's clock, never by their own. */
function newerGateway(shown: LiveGateway | undefined, incoming: LiveGateway): LiveGateway {
  return (shown?.lastSeenAt ?? 0) > (incoming.lastSeenAt ?? 0) ? shown! : incoming
}
