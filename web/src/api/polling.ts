import { onMounted, onUnmounted } from 'vue'

/** Calls `load` now and then every `everyMs` while the component is there and the page can be seen. */
export function usePolling(load: () => Promise<void>, everyMs: number): void {
  let timer: ReturnType<typeof setTimeout> | undefined
  let mounted = false

  async function run(): Promise<void> {
    clearTimeout(timer)
    if (document.visibilityState === 'visible') await load()
    if (isMounted()) timer = setTimeout(() => void run(), everyMs)
  }

  function isMounted(): boolean {
    return mounted
  }

  function onVisible(): void {
    if (document.visibilityState === 'visible') void run()
  }

  onMounted(() => {
    mounted = true
    document.addEventListener('visibilitychange', onVisible)
    void run()
  })
  onUnmounted(() => {
    mounted = false
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', onVisible)
  })
}
