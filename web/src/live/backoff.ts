const FIRST_MS = 500
const LONGEST_MS = 30_000

/**
 * Wait before attempt number `attempt` (0 is the first retry): doubles from 0.5 s to 30 s, and anything from half of
 * that to all of it, so that the browsers of a plant do not come back in the same instant.
 */
export function backoffMs(attempt: number, random: () => number): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 16))
  return ceiling * (0.5 + random() / 2)
}
