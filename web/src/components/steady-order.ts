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
  const pointer = ref(false)
  const focus = ref(false)

  const keys = computed<readonly string[]>((shown) => {
    const sorted = items.value.toSorted(compare).map(keyOf)
    const next = (pointer.value || focus.value || frozen()) && shown ? keepPlaces(shown, sorted) : sorted
    return shown && sameKeys(shown, next) ? shown : next
  })

  /** For `pointerenter` and `focusin` of the list. */
  function hold({ type }: HandEvent): void {
    ;(type === 'focusin' ? focus : pointer).value = true
  }

  /** For `pointerleave` and `focusout` of the list. */
  function release({ type, currentTarget }: HandEvent): void {
    if (type === 'focusout') focus.value = false
    else {
      pointer.value = false
      // Of an item that has gone with the focus on it nobody is told.
      focus.value &&= (currentTarget as { matches(selector: string): boolean }).matches(':focus-within')
    }
  }

  return { keys, hold, release }
}

interface HandEvent {
  readonly type: string
  readonly currentTarget: unknown
}

function keepPlaces(shown: readonly string[], sorted: readonly string[]): string[] {
  const place = new Map(shown.map((key, index) => [key, index]))
  const placeOf = (key: string) => place.get(key) ?? shown.length
  return sorted.toSorted((a, b) => placeOf(a) - placeOf(b))
}

function sameKeys(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((key, index) => key === b[index])
}
