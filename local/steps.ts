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

/** Waits until all have ended, one way or the other, so that nothing is left half started behind an error. */
export async function together<T extends readonly Promise<unknown>[]>(
  onFailure: () => void,
  ...work: T
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  for (const one of work) one.catch(onFailure)
  const results = await Promise.allSettled(work)
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as never
}
