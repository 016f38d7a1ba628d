import { computed, onScopeDispose, watch } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import { usePageKeys } from '../components/page-keys.ts'

/**
 * A plant on a wall: the whole screen, larger, without navigation, and awake for as long as it is looked at. The address
 * has it (`wall=1`), so that a wall's computer can be started with it; only then the screen is not taken whole, because browsers want a
 * click or a key for that.
 */
export function useWallMode() {
  const route = useRoute()
  const router = useRouter()
  const isWall = computed(() => route.query['wall'] === '1')
  let wakeLock: WakeLockSentinel | undefined

  const set = (on: boolean) => router.replace({ query: { ...route.query, wall: on ? '1' : undefined } })

  async function enter(): Promise<void> {
    // Refused on telephones of Apple, or by a policy: then it is large inside the browser's window.
    await document.documentElement.requestFullscreen().catch(() => undefined)
    await set(true)
  }

  async function leave(): Promise<void> {
    if (document.fullscreenElement) await document.exitFullscreen()
    await set(false)
  }

  /** The browser takes the lock back whenever the page is hidden. Without HTTPS there is none, and it may refuse (battery). */
  async function stayAwake(): Promise<void> {
    if (!isWall.value || document.visibilityState !== 'visible' || !('wakeLock' in navigator)) return
    wakeLock = await navigator.wakeLock.request('screen').catch(() => undefined)
  }

  const stopWatching = watch(
    isWall,
    (on) => {
      document.documentElement.toggleAttribute('data-wall', on)
      if (on) void stayAwake()
      else void wakeLock?.release()
    },
    { immediate: true },
  )
  const listeners = new AbortController()
  const { signal } = listeners
  const onVisible = () => void stayAwake()
  document.addEventListener('visibilitychange', onVisible, { signal })
  document.addEventListener('fullscreenchange', () => document.fullscreenElement ?? void set(false), { signal })
  usePageKeys({ w: () => void (isWall.value ? leave() : enter()), Escape: () => void (isWall.value && leave()) })
  onScopeDispose(() => {
    stopWatching()
    listeners.abort()
    document.documentElement.removeAttribute('data-wall')
    void wakeLock?.release()
    if (document.fullscreenElement) void document.exitFullscreen()
  })

  return { isWall, enter, leave }
}
