import { computed, ref, type Ref } from 'vue'

/**
 * The keys of the items, sorted, but never under the reader's hand: while the pointer or the focus is in the list,
 * or `frozen` says so,
 * everything keeps its place and what is new goes to the end. The array is a new one only when the order changed, so a
 * list that is drawn from it stands still.
 */
export function useSteadyOrder<T>(
  items: Ref<readonly T[]>,
  keyOf: (item: T) => string,
  compare: (a: T, b: T) => number,
  frozen: () => boolean = () => false,
) {
  const held = ref(false)

  const keys = computed<readonly string[]>((shown) => {
    const sorted = items.value.toSorted(compare).map(keyOf)
    const next = (held.value || frozen()) && shown ? keepPlaces(shown, sorted) : sorted
    return shown && sameKeys(shown, next) ? shown : next
  })

  return { keys, hold: () => (held.value = true), release: () => (held.value = false) }
}

function keepPlaces(shown: readonly string[], sorted: readonly string[]): string[] {
  const place = new Map(shown.map((key, index) => [key, index]))
  const placeOf = (key: string) => place.get(key) ?? shown.length
  return sorted.toSorted((a, b) => placeOf(a) - placeOf(b))
}

function sameKeys(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((key, index) => key === b[index])
}
