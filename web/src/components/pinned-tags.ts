import { ref, watch } from 'vue'
import { storedJson } from './stored-json.ts'

const STORAGE_KEY = 'pinned-tags'
/** Machines whose pins are remembered on this browser, the last ones. */
const MOST_MACHINES = 200

function readPins(): Record<string, string[]> {
  const stored = storedJson(STORAGE_KEY)
  return typeof stored === 'object' && stored !== null ? (stored as Record<string, string[]>) : {}
}

/** Tags that this person wants on top of a machine's list, on this browser. */
export function usePinnedTags(machineId: () => string) {
  const pinned = ref<ReadonlySet<string>>(new Set())
  watch(machineId, (id) => (pinned.value = new Set(readPins()[id] ?? [])), { immediate: true })

  function togglePin(tag: string): void {
    const next = new Set(pinned.value)
    if (!next.delete(tag)) next.add(tag)
    pinned.value = next
    const others = Object.entries(readPins()).filter(([id]) => id !== machineId())
    const kept = [...others.slice(1 - MOST_MACHINES), [machineId(), [...next]]]
    localStorage.setItem(STORAGE_KEY, JSON.stringify(Object.fromEntries(kept)))
  }

  return { pinned, togglePin }
}
