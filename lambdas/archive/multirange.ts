/** An int8multirange as text, of numbers in any order. */
export function multirangeOf(numbers: number[]): string {
  const ranges: string[] = []
  let [start, end] = [Number.NaN, Number.NaN]
  for (const one of numbers.toSorted((a, b) => a - b)) {
    if (one !== end) {
      if (end > start) ranges.push(`[${start},${end})`)
      start = one
    }
    end = one + 1
  }
  if (end > start) ranges.push(`[${start},${end})`)
  return `{${ranges.join()}}`
}
