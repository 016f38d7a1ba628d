import { inject, onScopeDispose, provide, watch, type InjectionKey } from 'vue'
import { MAX_TRENDS, type Trends, type TrendsOf } from '../../../schemas/api.ts'

interface Series {
  readonly machineId: string
  readonly tags: readonly string[]
}

export interface PastTrends {
  /** Something draws the trends of these. Returns what ends it. */
  show(series: Series): () => void
  /** What was fetched may have holes by now. */
  fetchAgain(): void
  stop(): void
}

/** Between two questions: whoever scrolls over a thousand machines asks for those that stay on the screen. */
const NEXT_AFTER_MS = 250
const AGAIN_AFTER_ERROR_MS = 10_000

/**
 * Fetches the trends of what is drawn, from before it was heard live: one question at a time, for all tiles of a screen together.
 * A trend is a help beside a value: while it cannot be fetched, it grows from now on, and nobody is told.
 */
export function createPastTrends(
  fetchTrends: (machines: TrendsOf['machines']) => Promise<Trends['items']>,
  apply: (items: Trends['items']) => void,
): PastTrends {
  const shown = new Set<Series>()
  const asked = new Set<string>()
  let timer: ReturnType<typeof setTimeout> | undefined
  let ended = false

  const keyOf = (machineId: string, tag: string) => `${machineId} ${tag}`

  function plan(waitMs: number): void {
    if (!ended) timer ??= setTimeout(() => void fetchShown(), waitMs)
  }

  function missing(): TrendsOf['machines'] {
    let room = MAX_TRENDS
    const machines = new Map<string, string[]>()
    for (const { machineId, tags } of shown) {
      const wanted = tags.filter((tag) => !asked.has(keyOf(machineId, tag))).slice(0, room)
      for (const tag of wanted) asked.add(keyOf(machineId, tag))
      if (wanted.length > 0) machines.set(machineId, [...(machines.get(machineId) ?? []), ...wanted])
      room -= wanted.length
    }
    return [...machines].map(([machineId, tags]) => ({ machineId, tags }))
  }

  /** The timer is set until the answer is there, so that nothing else is asked meanwhile. */
  async function fetchShown(): Promise<void> {
    const machines = missing()
    let waitMs = NEXT_AFTER_MS
    try {
      if (machines.length > 0) apply(await fetchTrends(machines))
    } catch {
      for (const { machineId, tags } of machines) for (const tag of tags) asked.delete(keyOf(machineId, tag))
      waitMs = AGAIN_AFTER_ERROR_MS
    }
    timer = undefined
    if (machines.length > 0) plan(waitMs)
  }

  return {
    show(series) {
      shown.add(series)
      plan(0)
      return () => shown.delete(series)
    },
    fetchAgain() {
      asked.clear()
      plan(0)
    },
    stop() {
      ended = true
      clearTimeout(timer)
    },
  }
}

const key: InjectionKey<PastTrends> = Symbol('past trends')

export function providePastTrends(trends: PastTrends): void {
  provide(key, trends)
  onScopeDispose(() => trends.stop())
}

/** Has the trends of these tags fetched for as long as the component is there. */
export function usePastTrends(machineId: () => string, tags: () => readonly string[]): void {
  const trends = inject(key)
  if (!trends) throw new Error('watch-plant.ts provides the trends before anything draws them')
  let end = () => {}
  watch(
    () => [machineId(), ...tags()].join(' '),
    () => {
      end()
      end = trends.show({ machineId: machineId(), tags: tags() })
    },
    { immediate: true },
  )
  onScopeDispose(() => end())
}
