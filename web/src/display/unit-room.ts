/** A longer unit gets its own room, so that it does not take that of all the values. */
const LONGEST = 10

/** Width that lets the digits of a list stand under one another, whatever their units; undefined when none has a unit. */
export function unitRoom(tags: readonly { readonly unit: string | undefined }[]): string | undefined {
  const longest = Math.max(0, ...tags.map(({ unit }) => unit?.length ?? 0))
  return longest === 0 ? undefined : `${Math.min(longest, LONGEST)}ch`
}
