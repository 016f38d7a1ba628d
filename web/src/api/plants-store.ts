import { defineStore } from 'pinia'
import { useLoadedList } from './loaded-list.ts'
import { useTelemetryApi } from './telemetry-api.ts'

/** The plants that this person may see. */
export const usePlantsStore = defineStore('plants', () => {
  const api = useTelemetryApi()
  return useLoadedList(() => api.plants())
})
