import { ref, shallowRef } from 'vue'
import { toApiError, type ApiError } from './api-error.ts'

/**
 * A list that comes page by page. One question at a time: a page that is asked for meanwhile is not, and what a new beginning has
 * overtaken is dropped.
 *
 * `fetchPage`: gets the cursor of the page before; none for the first page.
 */
export function usePagedList<T>(
  fetchPage: (cursor: { cursor?: string }) => Promise<{ items: T[]; nextCursor: string | null }>,
) {
  const items = shallowRef<readonly T[] | null>(null)
  const cursor = ref<string | null>(null)
  const error = shallowRef<ApiError | null>(null)
  const loading = ref(false)
  let latest: { after: string | null; isNew: boolean } | undefined

  async function ask(after: string | null, isNew: boolean): Promise<void> {
    const mine = { after, isNew }
    latest = mine
    loading.value = true
    try {
      const page = await fetchPage(after === null ? {} : { cursor: after })
      if (latest !== mine) return
      items.value = after === null ? page.items : [...(items.value ?? []), ...page.items]
      cursor.value = page.nextCursor
      error.value = null
    } catch (caught) {
      if (latest !== mine) return
      error.value = toApiError(caught)
      if (isNew) items.value = null
    }
    loading.value = false
  }

  return {
    ...{ items, cursor, error, loading },
    /** Another question: what is shown stays until its answer, and is gone when there is none. */
    begin: (): Promise<void> => {
      cursor.value = null
      return ask(null, true)
    },
    /** The same question again, from the first page. */
    refresh: () => ask(null, false),
    more: async (): Promise<void> => {
      if (!loading.value && cursor.value !== null) await ask(cursor.value, false)
    },
    /** What has failed. */
    retry: () => (latest ? ask(latest.after, latest.isNew) : Promise.resolve()),
  }
}
