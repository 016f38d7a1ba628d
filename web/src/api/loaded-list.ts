import { shallowRef } from 'vue'
import { toApiError, type ApiError } from './api-error.ts'

/** A list that the API gives. The last one stays when a later call fails, beside the error. */
export function useLoadedList<T>(fetchItems: () => Promise<T[]>) {
  const items = shallowRef<readonly T[] | null>(null)
  const error = shallowRef<ApiError | null>(null)

  async function load(): Promise<void> {
    try {
      items.value = await fetchItems()
      error.value = null
    } catch (caught) {
      error.value = toApiError(caught)
    }
  }

  return { items, error, load }
}
