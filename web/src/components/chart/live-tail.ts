import { shallowRef, watch } from 'vue'
import type { HistoryPoint } from '../../../../schemas/api.ts'
import type { Span } from '../../history/chart-range.ts'
import type { TagView } from '../../live/machine-view.ts'

/** Readings of the chosen numbers that came while the chart is open, as points of one reading each. */
export function useLiveTail(
  tags: () => ReadonlyMap<string, TagView>,
  chosen: () => readonly string[],
  /** Undefined while the chart stands still. */
  span: () => Span | undefined,
) {
  const tail = shallowRef<ReadonlyMap<string, readonly HistoryPoint[]>>(new Map())

  watch(tags, (now) => {
    const shown = span()
    if (!shown) return
    const next = new Map<string, readonly HistoryPoint[]>()
    for (const name of chosen()) {
      const points = (tail.value.get(name) ?? []).filter(([at]) => at >= shown.from)
      const tag = now.get(name)
      const isNew = tag && tag.quality === 'good' && tag.timestamp > (points.at(-1)?.[0] ?? 0)
      if (isNew && typeof tag.value === 'number') points.push([tag.timestamp, tag.value, tag.value, tag.value, 1])
      next.set(name, points)
    }
    tail.value = next
  })

  return tail
}
