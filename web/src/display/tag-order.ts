import { tellsRunState } from '../live/run-state.ts'

const byName = new Intl.Collator('en', { numeric: true })

/** By name, as people count (2 before 10); what tells the run state last, because the tile's head shows it already. */
export function sortTags<T extends { readonly name: string }>(tags: readonly T[]): T[] {
  return tags.toSorted(
    (a, b) => Number(tellsRunState(a.name)) - Number(tellsRunState(b.name)) || byName.compare(a.name, b.name),
  )
}

export function compareNames(a: string, b: string): number {
  return byName.compare(a, b)
}
