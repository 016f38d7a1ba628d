/** One line of the table that `npm run bench` prints. */
export interface Figure {
  what: string
  measured: string
  /** What the issue asks for, in words. */
  toReach: string
  reached: boolean
}

export const median = (values: number[]): number => percentile(values, 50)

/** Nearest rank, of a copy. */
export function percentile(values: number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN
}
