import type { PostgresPool, PostgresPoolClient } from 'kysely'
import type pg from 'pg'

/** Of one connection: each costs memory there, and a text that is built anew each time (long lists) is never asked again. */
const MOST_STATEMENTS = 200

/**
 * The pool as Kysely uses it, with each statement prepared once per connection: to plan ours takes longer than to run them, and
 * what row security adds to a plan as well. Postgres itself decides when a plan may serve for all parameters.
 */
export function preparing(pool: pg.Pool): PostgresPool {
  const names = new Map<string, string>()
  const nameOf = (text: string): string | undefined => {
    if (!names.has(text) && names.size < MOST_STATEMENTS) names.set(text, `statement-${names.size}`)
    return names.get(text)
  }
  return {
    options: pool.options,
    end: () => pool.end(),
    async connect() {
      const client = await pool.connect()
      const query = (text: string, parameters: readonly unknown[]) => {
        // Without parameters it may be several statements, or BEGIN and the like, which have no plan.
        const name = parameters.length === 0 ? undefined : nameOf(text)
        return client.query({ text, values: [...parameters], ...(name !== undefined && { name }) })
      }
      // Kysely asks for cursors as well, with a package for them only.
      return { query: query as unknown as PostgresPoolClient['query'], release: (error) => client.release(error) }
    },
  }
}
