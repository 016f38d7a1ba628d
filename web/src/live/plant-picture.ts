import { ref, shallowRef, type Ref, type ShallowRef } from 'vue'
import type { Alarm } from '../../../schemas/alarms.ts'
import type { Trends } from '../../../schemas/api.ts'
import type { LiveGateway, LiveMachineChange } from '../../../schemas/live.ts'
import { isWhole, machineView, mergeMachine, withPastTrends, type MachineView } from './machine-view.ts'

/**
 * What is known of a plant now. One shallow ref per machine: a reading redraws its own tile and nothing else; the map
 * itself is replaced only when a machine comes or goes.
 */
export interface PlantPicture {
  readonly machines: ShallowRef<ReadonlyMap<string, ShallowRef<MachineView>>>
  readonly gateways: ShallowRef<ReadonlyMap<string, LiveGateway>>
  /** Open ones, by id, those that are kept from view too. */
  readonly alarms: ShallowRef<ReadonlyMap<string, Alarm>>
  /** False until a snapshot, from the live connection or over HTTP, was complete. */
  readonly whole: Ref<boolean>
  /** The server no longer shows this plant to this person. */
  readonly refused: Ref<boolean>
}

export function createPlantPicture(): PlantPicture {
  return {
    machines: shallowRef(new Map()),
    gateways: shallowRef(new Map()),
    alarms: shallowRef(new Map()),
    whole: ref(false),
    refused: ref(false),
  }
}

/** Of a plant, or of what has changed in it. */
export interface PlantChanges {
  readonly machines: readonly LiveMachineChange[]
  readonly gateways: readonly LiveGateway[]
  readonly alarms: readonly Alarm[]
}

/** Puts in what a delta tells: machines, gateways and alarms that changed. */
export function applyChanges(picture: PlantPicture, { machines, gateways, alarms }: PlantChanges): void {
  const fresh = new Map<string, ShallowRef<MachineView>>()
  for (const machine of machines) {
    const shown = picture.machines.value.get(machine.machineId) ?? fresh.get(machine.machineId)
    if (shown) shown.value = mergeMachine(shown.value, machine)
    else if (isWhole(machine)) fresh.set(machine.machineId, shallowRef(machineView(machine)))
  }
  if (fresh.size > 0) picture.machines.value = new Map([...picture.machines.value, ...fresh])

  if (gateways.length > 0) {
    const next = new Map(picture.gateways.value)
    for (const gateway of gateways) next.set(gateway.thingName, newerGateway(next.get(gateway.thingName), gateway))
    picture.gateways.value = next
  }

  if (alarms.length > 0) {
    const next = new Map(picture.alarms.value)
    for (const alarm of alarms) {
      if (alarm.closedAt === null) next.set(alarm.alarmId, alarm)
      else next.delete(alarm.alarmId)
    }
    picture.alarms.value = next
  }
}

/** Puts in the whole picture: what is not in it has gone. */
export function applyWhole(picture: PlantPicture, { machines, gateways, alarms }: PlantChanges): void {
  const machineIds = new Set(machines.map((machine) => machine.machineId))
  const thingNames = new Set(gateways.map((gateway) => gateway.thingName))
  picture.machines.value = new Map([...picture.machines.value].filter(([id]) => machineIds.has(id)))
  picture.gateways.value = new Map([...picture.gateways.value].filter(([name]) => thingNames.has(name)))
  picture.alarms.value = new Map()
  applyChanges(picture, { machines, gateways, alarms })
  picture.whole.value = true
  picture.refused.value = false
}

/** Puts in what was before the page heard of the machines. */
export function applyPastTrends(picture: PlantPicture, items: Trends['items']): void {
  for (const { machineId, from, values } of items) {
    const shown = picture.machines.value.get(machineId)
    if (shown) shown.value = withPastTrends(shown.value, from, values)
  }
}

/** Gateways are ordered by the broker's clock, never by their own. */
function newerGateway(shown: LiveGateway | undefined, incoming: LiveGateway): LiveGateway {
  return (shown?.lastSeenAt ?? 0) > (incoming.lastSeenAt ?? 0) ? shown! : incoming
}
