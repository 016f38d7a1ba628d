/** Progress of the start: a line per step with how long it took. */
export interface Steps {
  run<T>(name: string, work: () => Promise<T>): Promise<T>
}

export function steps(say: (line: string) => void): Steps {
  return {
    async run(name, work) {
      const began = performance.now()
      const seconds = () => `${((performance.now() - began) / 1000).toFixed(1)} s`
      try {
        const result = await work()
        say(`  ✓ ${name} (${seconds()})`)
        return result
      } catch (error) {
        say(`  ✗ ${name} (${seconds()})`)
        throw error
      }
    },
  }
}

/**
 * Waits until all have ended, one way or the other, so that nothing is left half started behind an error. Throws what
 * failed first: the others may have broken off because of it.
 */
export async function together<T extends readonly Promise<unknown>[]>(
  onFailure: () => void,
  ...work: T
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const failures: unknown[] = []
  for (const one of work) {
    one.catch((reason: unknown) => {
      failures.push(reason)
      onFailure()
    })
  }
  const results = await Promise.allSettled(work)
  if (failures.length > 0) throw failures[0]
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as never
}
