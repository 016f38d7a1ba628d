import { defineStore } from 'pinia'
import { computed, ref, shallowReactive } from 'vue'
import type { LiveServerMessage } from '../../../schemas/live.ts'
import type { LiveSocket, LiveState } from './live-socket.ts'
import { createPlantFrames } from './plant-frames.ts'
import { applyChanges, applyWhole, createPlantPicture, type PlantChanges, type PlantPicture } from './plant-picture.ts'

type Subscriber = Pick<LiveSocket, 'subscribe' | 'unsubscribe' | 'resubscribe'>

interface WatchedPlant {
  readonly picture: PlantPicture
  readonly frames: ReturnType<typeof createPlantFrames>
  /** False from a subscribe until its snapshot. */
  readonly caughtUp: { value: boolean }
  /** How many have come. */
  snapshots: number
}

/** The live pictures of the plants being looked at. It knows no WebSocket: start-live.ts brings the two together. */
export const useLiveStore = defineStore('live', () => {
  const socketState = ref<LiveState>('connecting')
  /** When the picture was last known to be right; null until then. */
  const lastDataAt = ref<number | null>(null)
  const watched = shallowReactive(new Map<string, WatchedPlant>())
  let subscriber: Subscriber | undefined

  /** Live only when what is on the screen is: an open connection without its snapshot is still coming. */
  const state = computed<LiveState>(() => {
    if (socketState.value !== 'live') return socketState.value
    const behind = [...watched.values()].filter((plant) => !plant.caughtUp.value && !plant.picture.refused.value)
    if (behind.length === 0) return 'live'
    return behind.some((plant) => plant.picture.whole.value) ? 'reconnecting' : 'connecting'
  })

  function attach(to: Subscriber | undefined): void {
    subscriber = to
    for (const plantId of watched.keys()) subscriber?.subscribe(plantId)
  }

  function watchPlant(plantId: string): PlantPicture {
    const picture = createPlantPicture()
    const caughtUp = ref(false)
    const frames = createPlantFrames({
      snapshot: (parts) => {
        applyWhole(picture, {
          machines: parts.flatMap((part) => part.machines),
          gateways: parts.flatMap((part) => part.gateways),
          alarms: parts.flatMap((part) => part.alarms),
        })
        caughtUp.value = true
        plant.snapshots += 1
      },
      delta: (frame) => applyChanges(picture, frame),
      gap: () => subscriber?.resubscribe(plantId),
    })
    const plant: WatchedPlant = { picture, frames, caughtUp, snapshots: 0 }
    watched.set(plantId, plant)
    subscriber?.subscribe(plantId)
    return picture
  }

  function unwatchPlant(plantId: string): void {
    watched.delete(plantId)
    subscriber?.unsubscribe(plantId)
  }

  function subscribed(plantId: string): void {
    const plant = watched.get(plantId)
    plant?.frames.subscribed()
  }

  function receive(message: LiveServerMessage, at: number): void {
    lastDataAt.value = at
    if (message.type === 'snapshot' || message.type === 'delta') watched.get(message.plant)?.frames.receive(message)
    if (message.type === 'pong')
      for (const [plantId, version] of Object.entries(message.versions)) watched.get(plantId)?.frames.told(version)
    if (message.type === 'error' && message.code === 'not_found' && message.plant !== undefined) refuse(message.plant)
  }

  function refuse(plantId: string): void {
    const plant = watched.get(plantId)
    if (plant) plant.picture.refused.value = true
  }

  /**
   * The picture as the HTTP API gives it, for as long as the live connection does not: called before it is asked for, gives what
   * takes the answer. One that a snapshot has overtaken is older than what is shown.
   */
  function awaitPicture(plantId: string): (whole: PlantChanges, at: number) => void {
    const plant = watched.get(plantId)
    const before = plant?.snapshots
    return (whole, at) => {
      if (!plant || plant.snapshots !== before) return
      applyWhole(plant.picture, whole)
      lastDataAt.value = at
    }
  }

  function setSocketState(next: LiveState): void {
    socketState.value = next
    if (next !== 'live') for (const plant of watched.values()) plant.caughtUp.value = false
  }

  return { state, lastDataAt, attach, watchPlant, unwatchPlant, subscribed, receive, awaitPicture, setSocketState }
})
