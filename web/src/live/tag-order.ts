import { compareNames } from '../display/compare-names.ts'
import { tellsRunState } from './run-state.ts'

/** By name; what tells the run state last, because the machine's head shows it already. */
export function sortTags<T extends { readonly name: string }>(tags: readonly T[]): T[] {
  return tags.toSorted(
    (a, b) => Number(tellsRunState(a.name)) - Number(tellsRunState(b.name)) || compareNames(a.name, b.name),
  )
}
