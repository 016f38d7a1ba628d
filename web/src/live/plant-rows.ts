import { shallowRef, watch, type ShallowRef } from 'vue'
import { Severity } from '../../../schemas/alarms.ts'
import type { Condition } from '../../../schemas/conditions.ts'
import type { LiveMachine } from '../../../schemas/live.ts'
import { useClock } from './clock.ts'
import { conditionOf, readingTime } from './freshness.ts'
import type { PlantPicture } from './plant-picture.ts'

/** A machine in a list of a plant's machines: what the list is counted, sorted and filtered by. */
export interface PlantRow {
  readonly machineId: string
  readonly slug: string
  /** As people read it. */
  readonly name: string
  readonly status: LiveMachine['status']
  readonly condition: Condition
  /** Empty until a gateway has sent something of it. */
  readonly thingName: string
  readonly tagCount: number
  /** Of its open alarms the worst: higher is worse, 0 is none. */
  readonly worstAlarm: number
  /** Of its newest reading, by the cloud's clock; null until there is one. */
  readonly readAt: number | null
}

/**
 * The plant's machines as rows, told anew once a second, when one comes or goes, and with its alarms: at a thousand readings a second, whatever
 * hangs on all machines must not hang on each reading.
 */
export function usePlantRows(picture: PlantPicture): ShallowRef<readonly PlantRow[]> {
  const clock = useClock()
  const rows = shallowRef<readonly PlantRow[]>([])
  watch(
    [() => clock.now, picture.machines, picture.gateways, picture.alarms],
    ([now, machines, gateways, alarms]) => {
      const worst = new Map<string | null, number>()
      for (const { machineId, severity, suppression } of alarms.values()) {
        if (suppression !== null) continue
        worst.set(machineId, Math.max(worst.get(machineId) ?? 0, Severity.options.indexOf(severity) + 1))
      }
      rows.value = [...machines].flatMap(([machineId, { value: machine }]) => {
        // Nobody waits for its readings any more.
        if (machine.status === 'retired') return []
        const gateway = gateways.get(machine.thingName ?? '')
        return {
          machineId,
          slug: machine.slug,
          name: machine.name ?? machine.slug,
          status: machine.status,
          condition: conditionOf(machine, gateway, now),
          thingName: machine.thingName ?? '',
          tagCount: machine.tags.size,
          worstAlarm: worst.get(machineId) ?? 0,
          readAt: machine.state ? readingTime(machine.state.timestamp, gateway) : null,
        }
      })
    },
    { immediate: true },
  )
  return rows
}
