import { onMounted, onUnmounted, ref } from 'vue'

const LOOK_EVERY_MS = 10 * 60_000

/**
 * Whether a newer build than the one that runs here is being served. Pages of plants stay open for weeks, and a part of the
 * app that is fetched later may be gone by then: that tells it too.
 */
export function useNewVersion() {
  const isNewer = ref(false)
  const listeners = new AbortController()
  let timer: ReturnType<typeof setInterval> | undefined
  /** The name has a hash of the content; while the app is being developed it has none. */
  const own = document.querySelector<HTMLScriptElement>('script[type="module"][src*="/assets/"]')?.getAttribute('src')

  async function look(): Promise<void> {
    if (isNewer.value || !own || document.visibilityState !== 'visible') return
    // Without a network nothing is known, and nothing is to be said.
    const page = await fetch('/index.html', { cache: 'no-cache' }).catch(() => undefined)
    if (page?.ok && !(await page.text()).includes(own)) isNewer.value = true
  }

  onMounted(() => {
    timer = setInterval(() => void look(), LOOK_EVERY_MS)
    document.addEventListener('visibilitychange', () => void look(), { signal: listeners.signal })
    addEventListener('vite:preloadError', () => void look(), { signal: listeners.signal })
  })
  onUnmounted(() => {
    clearInterval(timer)
    listeners.abort()
  })
  return isNewer
}
