/** What was true a moment ago. Only findings are kept; what was not found is looked up again. */
export interface ExpiringMap<Value> {
  get(key: string): Value | undefined
  set(key: string, value: Value): void
}

export function expiringMap<Value>(lifetimeMs: number): ExpiringMap<Value> {
  const entries = new Map<string, { value: Value; until: number }>()
  return {
    get(key) {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      if (entry.until > Date.now()) return entry.value
      entries.delete(key)
      return undefined
    },
    set(key, value) {
      entries.set(key, { value, until: Date.now() + lifetimeMs })
    },
  }
}
