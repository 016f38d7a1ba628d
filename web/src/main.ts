import './theme/theme.ts'
import './theme/base.css'
import { createPinia } from 'pinia'
import { createApp } from 'vue'
import { createApiClient } from './api/client.ts'
import { useMeStore } from './api/me-store.ts'
import { createTelemetryApi, telemetryApiKey } from './api/telemetry-api.ts'
import { loadWebConfig } from './api/web-config.ts'
import App from './App.vue'
import { authSessionKey } from './auth/auth-session.ts'
import { createFirebaseSession } from './auth/firebase-session.ts'
import BootFailure from './components/BootFailure.vue'
import { i18n } from './i18n/i18n.ts'
import { useClock } from './live/clock.ts'
import { createAppRouter } from './router.ts'

/** The steps from an empty page to the app, in their order. */
async function start(): Promise<void> {
  const config = await loadWebConfig()
  const session = createFirebaseSession(config.firebase, () => i18n.global.locale.value)
  const pinia = createPinia()
  const router = createAppRouter(session)
  const client = createApiClient({
    apiUrl: config.apiUrl,
    idToken: (fresh) => session.idToken(fresh),
    onSessionEnd: () => void endSession(),
    onForbidden: () => void useMeStore(pinia).load(),
    onServerTime: (at, askedAt) => useClock(pinia).correct(at, askedAt),
  })

  async function endSession(): Promise<void> {
    const next = router.currentRoute.value.fullPath
    await session.signOut()
    location.assign(`/sign-in?${new URLSearchParams({ reason: 'session-ended', next }).toString()}`)
  }

  const app = createApp(App)
    .use(pinia)
    .use(i18n)
    .use(router)
    .provide(authSessionKey, session)
    .provide(telemetryApiKey, createTelemetryApi(client))
  await router.isReady()
  app.mount('#app')
}

start().catch((error: unknown) => {
  console.error(error)
  createApp(BootFailure).use(i18n).mount('#app')
})
