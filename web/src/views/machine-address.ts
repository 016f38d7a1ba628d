import { computed } from 'vue'
import { useRoute, useRouter, type LocationQueryRaw } from 'vue-router'
import { rangeOf, rangeQuery, type ChartRange } from '../history/chart-range.ts'

export const MOST_CHOSEN = 6

/**
 * What the page of a machine shows, kept in its address: sent to a colleague, it shows them the same. `chosen` is null
 * where the address names no tags; then `suggested` are shown.
 */
export function useMachineAddress(suggested: () => readonly string[]) {
  const route = useRoute()
  const router = useRouter()
  const range = computed<ChartRange>((shown) => {
    const next = rangeOf(route.query)
    return shown && JSON.stringify(shown) === JSON.stringify(next) ? shown : next
  })
  const compare = computed(() => route.query['compare'] === '1')

  /** Colours stay with their tags when another one is removed. */
  const colors = computed<ReadonlyMap<string, number>>((shown) => {
    const asked = route.query['tags']
    const tags = typeof asked === 'string' ? asked.split(',').filter((tag) => tag !== '') : suggested()
    return assignColors([...new Set(tags)].slice(0, MOST_CHOSEN), shown)
  })

  const change = (query: LocationQueryRaw, way: 'push' | 'replace') =>
    router[way]({ query: { ...route.query, ...query } })

  function toggleTag(tag: string): void {
    const tags = [...colors.value.keys()]
    const next = tags.includes(tag) ? tags.filter((each) => each !== tag) : [...tags, tag]
    void change({ tags: next.join(',') }, 'replace')
  }

  return {
    ...{ range, compare, colors, toggleTag },
    /** A step that "back" undoes. */
    setRange: (next: ChartRange) =>
      void change({ range: undefined, from: undefined, to: undefined, ...rangeQuery(next) }, 'push'),
    setCompare: (on: boolean) => void change({ compare: on ? '1' : undefined }, 'replace'),
  }
}

function assignColors(tags: readonly string[], before: ReadonlyMap<string, number> | undefined): Map<string, number> {
  const kept = new Map(tags.flatMap((tag) => (before?.has(tag) ? [[tag, before.get(tag)!] as const] : [])))
  const free = [1, 2, 3, 4, 5, 6].filter((color) => ![...kept.values()].includes(color))
  return new Map(tags.map((tag) => [tag, kept.get(tag) ?? free.shift()!]))
}
