import { ref } from 'vue'
import { storedJson } from './stored-json.ts'

const STORAGE_KEY = 'hidden-columns'

function readHidden(): string[] {
  const stored = storedJson(STORAGE_KEY)
  return Array.isArray(stored) ? stored.map(String) : []
}

/** Columns of the table of machines that this person does not want, on this browser. */
export function useHiddenColumns() {
  const hidden = ref<ReadonlySet<string>>(new Set(readHidden()))

  function toggleColumn(column: string): void {
    const next = new Set(hidden.value)
    if (!next.delete(column)) next.add(column)
    hidden.value = next
    localStorage.setItem(STORAGE_KEY, JSON.stringify([...next]))
  }

  return { hidden, toggleColumn }
}
