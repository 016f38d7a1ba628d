import { defineStore } from 'pinia'
import { shallowRef } from 'vue'

export interface Toast {
  readonly id: number
  readonly text: string
  /** Something did not work: it stays until it is closed. */
  readonly failed: boolean
}

const SHOWN_MS = 6_000

/** What came of what somebody did, in a corner of the page. */
export const useToasts = defineStore('toasts', () => {
  const toasts = shallowRef<readonly Toast[]>([])
  let lastId = 0

  function close(id: number): void {
    toasts.value = toasts.value.filter((toast) => toast.id !== id)
  }

  function add(text: string, failed: boolean): void {
    const id = (lastId += 1)
    toasts.value = [...toasts.value, { id, text, failed }]
    if (!failed) setTimeout(() => close(id), SHOWN_MS)
  }

  return { toasts, close, done: (text: string) => add(text, false), failed: (text: string) => add(text, true) }
})
