/** The candidate that `word` was probably meant to be: it begins like it, or at most a third of it is typed wrongly. */
function closestTo(word: string, candidates: readonly string[]): string | undefined {
  const whole = word.length > 1 && candidates.find((candidate) => candidate.startsWith(word.toLowerCase()))
  if (whole) return whole
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  return best && best.distance <= Math.ceil(word.length / 3) ? best.candidate : undefined
}

/** The rest of a sentence that says that `word` is none of `candidates`. */
export function choiceOf(word: string, candidates: readonly string[]): string {
  const guess = closestTo(word, candidates)
  return `${guess ? `did you mean ${guess}? Allowed` : 'allowed'}: ${candidates.join(', ')}`
}

/** Levenshtein: letters to insert, delete or replace. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= b.length; column += 1) {
      const replaced = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1))
    }
    previous = current
  }
  return previous[b.length]!
}
