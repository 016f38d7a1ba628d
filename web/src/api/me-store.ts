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

  async function load(): Promise<void> {
    loading.value = true
    try {
      me.value = await api.me()
      error.value = null
    } catch (caught) {
      error.value = toApiError(caught)
    } finally {
      loading.value = false
    }
  }

  /** Whether the page offers it; the API decides each time anew. */
  const may = (permission: Permission): boolean => me.value?.may.includes(permission) ?? false

  return { me, error, loading, load, may }
})
