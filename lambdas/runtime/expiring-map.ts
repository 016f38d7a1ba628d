/**
 * What was true a moment ago. `get` gives an entry however old it is, so that what was fresh when a batch began does not
 * vanish in the middle of it; who loads asks `isFresh` first, and deletes what is not found any more.
 */
export interface ExpiringMap<Value> {
  isFresh(key: string, now?: number): boolean
  get(key: string): Value | undefined
  set(key: string, value: Value): void
  delete(key: string): void
  /** Makes all be looked up again; `get` still gives them. */
  expire(): void
}

export function expiringMap<Value>(lifetimeMs: number): ExpiringMap<Value> {
  const entries = new Map<string, { value: Value; until: number }>()
  return {
    isFresh: (key, now = Date.now()) => (entries.get(key)?.until ?? 0) > now,
    get: (key) => entries.get(key)?.value,
    set: (key, value) => entries.set(key, { value, until: Date.now() + lifetimeMs }),
    delete: (key) => entries.delete(key),
    expire: () => {
      for (const entry of entries.values()) entry.until = 0
    },
  }
}
