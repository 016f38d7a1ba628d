import { ApiError } from '../../api/api-error.ts'
import type { TelemetryApi } from '../../api/telemetry-api.ts'

/** The API discards one at a time, each with its line in the audit log; so many are under way at once. */
const AT_ONCE = 4
const PAGE = 100

/**
 * Discards these, or all of a code that came before `until` (epoch ms): not what nobody has seen yet. One that has gone meanwhile counts as done. Returns how many; what
 * else goes wrong ends it, and what was discarded by then stays so.
 */
export async function discardLetters(
  api: Pick<TelemetryApi, 'deadLetters' | 'discardDeadLetter'>,
  { code, ids, until, reason }: { code: string; ids: string[] | 'all'; until: number; reason: string },
  onProgress: (done: number) => void,
): Promise<number> {
  let done = 0
  const discard = async (id: string) => {
    try {
      await api.discardDeadLetter(id, reason)
    } catch (error) {
      if (!(error instanceof ApiError) || error.problem?.code !== 'not_found') throw error
    }
    onProgress((done += 1))
  }
  const discardAll = async (wanted: readonly string[]) => {
    for (let index = 0; index < wanted.length; index += AT_ONCE) {
      await Promise.all(wanted.slice(index, index + AT_ONCE).map(discard))
    }
  }
  if (ids !== 'all') {
    await discardAll(ids)
    return done
  }
  for (;;) {
    const { items } = await api.deadLetters({ code, to: until, limit: PAGE })
    if (items.length === 0) return done
    await discardAll(items.map(({ id }) => id))
  }
}
