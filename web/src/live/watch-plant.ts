import { onScopeDispose, shallowRef, watch } from 'vue'
import { toApiError, type ApiError } from '../api/api-error.ts'
import { usePolling } from '../api/polling.ts'
import { useTelemetryApi } from '../api/telemetry-api.ts'
import { useClock } from './clock.ts'
import { useLiveStore } from './live-store.ts'
import { createPastTrends, providePastTrends } from './past-trends.ts'
import { applyPastTrends, type PlantPicture } from './plant-picture.ts'

const WHILE_NOT_LIVE_EVERY_MS = 10_000

/**
 * The picture of a plant for as long as the component is there. Where the live connection does not come through (a
 * proxy that stops WebSockets, Redis away), the same picture is fetched over HTTP every 10 s.
 */
export function useWatchedPlant(plantId: string) {
  const api = useTelemetryApi()
  const live = useLiveStore()
  const clock = useClock()
  const error = shallowRef<ApiError | null>(null)
  const picture: PlantPicture = live.watchPlant(plantId)
  onScopeDispose(() => live.unwatchPlant(plantId))
  const trends = createPastTrends(
    (machines) => api.trends(plantId, machines),
    (items) => applyPastTrends(picture, items),
  )
  providePastTrends(trends)

  const isLive = () => live.state === 'live' && picture.whole.value
  watch(isLive, (now) => {
    if (!now) return
    error.value = null
    trends.fetchAgain() // what came while nothing was heard
  })

  async function fetchPicture(): Promise<void> {
    if (isLive()) return
    const receive = live.awaitPicture(plantId)
    try {
      const [machines, gateways, alarms] = await Promise.all([
        api.machines(plantId),
        api.gateways(plantId),
        api.alarms({ plantId, state: 'open' }),
      ])
      receive({ machines, gateways, alarms }, clock.read())
      error.value = null
    } catch (caught) {
      if (isLive()) return
      error.value = toApiError(caught)
      if (error.value.problem?.code === 'not_found') picture.refused.value = true
    }
  }
  usePolling(fetchPicture, WHILE_NOT_LIVE_EVERY_MS)

  return { picture, error, retry: fetchPicture }
}
