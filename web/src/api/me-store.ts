import { defineStore } from 'pinia'
import { ref, shallowRef } from 'vue'
import type { Me } from '../../../schemas/api.ts'
import type { Permission } from '../../../schemas/permissions.ts'
import { toApiError, type ApiError } from './api-error.ts'
import { useTelemetryApi } from './telemetry-api.ts'

/** Who is signed in, as the backend sees them. */
export const useMeStore = defineStore('me', () => {
  const api = useTelemetryApi()
  const me = shallowRef<Me | null>(null)
  const error = shallowRef<ApiError | null>(null)
  const loading = ref(false)

  let latest: object | undefined

  /** The answer to the newest question counts. */
  async function load(): Promise<void> {
    const mine = {}
    latest = mine
    loading.value = true
    try {
      const answer = await api.me()
      if (latest !== mine) return
      me.value = answer
      error.value = null
    } catch (caught) {
      if (latest !== mine) return
      const failure = toApiError(caught)
      // Who was refused is not let in again by a network or a server that fails.
      if (failure.forbidden || !error.value?.forbidden) error.value = failure
    }
    loading.value = false
  }

  /** Whether the page offers it; the API decides each time anew. */
  const may = (permission: Permission): boolean => me.value?.may.includes(permission) ?? false

  return { me, error, loading, load, may }
})
