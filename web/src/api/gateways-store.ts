import { defineStore } from 'pinia'
import { useLoadedList } from './loaded-list.ts'
import { useTelemetryApi } from './telemetry-api.ts'

/** All gateways of the plants that this person may see. */
export const useGatewaysStore = defineStore('gateways', () => {
  const api = useTelemetryApi()
  return useLoadedList(() => api.gateways())
})
