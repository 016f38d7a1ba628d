/** What this browser keeps under a key, whatever it is by now; null when there is nothing, or it is no JSON. */
export function storedJson(key: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null')
  } catch {
    return null
  }
}
