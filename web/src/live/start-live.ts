import type { TelemetryApi } from '../api/telemetry-api.ts'
import type { useClock } from './clock.ts'
import type { OpenWebSocket } from './live-link.ts'
import { createLiveSocket } from './live-socket.ts'
import { createSharedLiveSocket } from './shared-live-socket.ts'
import type { useLiveStore } from './live-store.ts'

const openBrowserSocket: OpenWebSocket = (url, events) => {
  const socket = new WebSocket(url)
  socket.onopen = () => events.opened()
  socket.onmessage = ({ data }) => events.message(data)
  socket.onclose = () => events.closed()
  return socket
}

const HEARTBEAT_MS = 1_000
/** A timer that is late by this much has slept with the computer. */
const SLEPT_MS = 10_000

/** Brings the live connection, the store and the browser's own signs of life together. Returns what ends it. */
export function startLive(
  api: TelemetryApi,
  store: ReturnType<typeof useLiveStore>,
  clock: ReturnType<typeof useClock>,
  userId: string,
): () => void {
  const create = isSecureContext ? createSharedLiveSocket : createLiveSocket // locks need HTTPS, or this machine
  const socket = create({
    userId,
    takeTicket: () => api.realtimeTicket(),
    openWebSocket: openBrowserSocket,
    onState: (state) => store.setSocketState(state),
    onMessage: (message) => store.receive(message, clock.read()),
    onSubscribed: (plantId) => store.subscribed(plantId),
  })

  let lastBeat = Date.now()
  const heartbeat = setInterval(() => {
    const slept = Date.now() - lastBeat > SLEPT_MS && document.visibilityState === 'visible'
    lastBeat = Date.now()
    if (slept) socket.networkReturned()
  }, HEARTBEAT_MS)

  const listeners = new AbortController()
  const { signal } = listeners
  addEventListener('online', () => socket.networkReturned(), { signal })
  addEventListener('offline', () => socket.networkLost(), { signal })
  document.addEventListener(
    'visibilitychange',
    () => {
      if (document.visibilityState === 'visible') socket.lookedAt()
    },
    { signal },
  )

  store.attach(socket)
  socket.start()
  if (!navigator.onLine) socket.networkLost()

  return () => {
    clearInterval(heartbeat)
    listeners.abort()
    store.attach(undefined)
    socket.stop()
  }
}
