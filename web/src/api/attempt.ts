import { ref, shallowRef } from 'vue'
import { toApiError, type ApiError } from './api-error.ts'

/**
 * Something that a person asks for: `busy` while it runs, and `error` when it failed, until the next time. One at a time: asked
 * again meanwhile, nothing happens.
 */
export function useAttempt() {
  const busy = ref(false)
  const error = shallowRef<ApiError | null>(null)
  async function attempt(work: () => Promise<unknown>): Promise<void> {
    if (busy.value) return
    busy.value = true
    error.value = null
    try {
      await work()
    } catch (caught) {
      error.value = toApiError(caught)
    } finally {
      busy.value = false
    }
  }
  return { busy, error, attempt }
}
