import { onScopeDispose, ref, shallowRef, watch, type ShallowRef } from 'vue'
import { toApiError, type ApiError } from './api-error.ts'

/** Most failures are gone by then, and nobody should have to press a button for them. */
const AGAIN_AFTER_ERROR_MS = 5_000

/**
 * What `fetch` gives, asked for again when `key` changes and every `everyMs` while the page can be seen. The last answer
 * stays until its successor has come, also beside an error; an answer that a newer question has overtaken is dropped.
 */
export function useRefreshed<T>(key: () => unknown, fetch: () => Promise<T>, everyMs: (value: T | null) => number) {
  const value: ShallowRef<T | null> = shallowRef(null)
  const error = shallowRef<ApiError | null>(null)
  const loading = ref(false)
  let latest: object | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  async function load(): Promise<void> {
    clearTimeout(timer)
    const mine = {}
    latest = mine
    loading.value = true
    try {
      const answer = await fetch()
      if (latest !== mine) return
      value.value = answer
      error.value = null
    } catch (caught) {
      if (latest !== mine) return
      error.value = toApiError(caught)
    }
    loading.value = false
    const waitMs = everyMs(value.value)
    timer = setTimeout(() => void loadIfSeen(), error.value ? Math.min(AGAIN_AFTER_ERROR_MS, waitMs) : waitMs)
  }

  /** A page in the background asks for nothing; it catches up when it is looked at. */
  async function loadIfSeen(): Promise<void> {
    if (document.visibilityState === 'visible') await load()
  }

  const onVisible = () => void loadIfSeen()
  watch(
    () => JSON.stringify(key()),
    () => void load(),
    { immediate: true },
  )
  document.addEventListener('visibilitychange', onVisible)
  onScopeDispose(() => {
    latest = undefined
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', onVisible)
  })

  return { value, error, loading, reload: load }
}
