import { shallowRef } from 'vue'
import { toApiError, type ApiError } from './api-error.ts'

/**
 * A list that the API gives. The last one stays when a later call fails, beside the error; an answer that a newer question has
 * overtaken is dropped, once that one is answered.
 */
export function useLoadedList<T>(fetchItems: () => Promise<T[]>) {
  const items = shallowRef<readonly T[] | null>(null)
  const error = shallowRef<ApiError | null>(null)

  let asked = 0
  let answered = 0

  async function load(): Promise<void> {
    const mine = (asked += 1)
    try {
      const answer = await fetchItems()
      if (!isNewest(mine)) return
      items.value = answer
      error.value = null
    } catch (caught) {
      if (isNewest(mine)) error.value = toApiError(caught)
    }
  }

  function isNewest(question: number): boolean {
    answered = Math.max(answered, question)
    return answered === question
  }

  return { items, error, load }
}
