import { defineStore } from 'pinia'
import { computed } from 'vue'
import { Severity } from '../../../schemas/alarms.ts'
import { useLoadedList } from './loaded-list.ts'
import { useTelemetryApi } from './telemetry-api.ts'

/** How many alarms are open, and how bad the worst of them is. */
export interface OpenAlarms {
  readonly count: number
  readonly unacknowledged: number
  readonly worst: Severity | undefined
}

/** Open alarms of the plants that this person may see. */
export const useAlarmCountsStore = defineStore('alarm-counts', () => {
  const api = useTelemetryApi()
  const { items, error, load } = useLoadedList(() => api.alarmCounts())

  function of(plantId?: string): OpenAlarms {
    const counts = (items.value ?? []).filter((each) => plantId === undefined || each.plantId === plantId)
    const sum = (some: typeof counts) => some.reduce((total, { count }) => total + count, 0)
    return {
      count: sum(counts),
      unacknowledged: sum(counts.filter(({ state }) => state === 'unacknowledged' || state === 'returned')),
      worst: Severity.options.findLast((severity) => counts.some((each) => each.severity === severity)),
    }
  }
  const all = computed(() => of())

  return { error, load, of, all }
})
