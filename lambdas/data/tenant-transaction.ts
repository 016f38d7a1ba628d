import { AbortedTransactionError, CompiledQuery, type Kysely, type Transaction } from 'kysely'
import type { Database } from './database.ts'

/**
 * Runs `work` in a transaction that sees one tenant only: row-level security compares each row with `app.tenant_id`,
 * which ends with the transaction. Outside of it the API's role sees nothing.
 *
 * Not by Kysely's own transaction: the tenant travels with BEGIN, so that row security costs no round trip.
 */
export function inTenant<Result>(
  db: Kysely<Database>,
  tenantId: string,
  work: (transaction: Transaction<Database>) => Promise<Result>,
): Promise<Result> {
  return db.connection().execute(async (connection) => {
    const run = (text: string) => connection.executeQuery<{ command: string }>(CompiledQuery.raw(text))
    await run(`begin; set local app.tenant_id = '${uuid(tenantId)}'`)
    try {
      // One connection, in a transaction: what a Transaction is.
      const result = await work(connection as unknown as Transaction<Database>)
      const { rows } = await run('commit')
      // What Postgres answers when a statement had failed and `work` went on regardless.
      if (rows[0]?.command === 'ROLLBACK') throw new AbortedTransactionError()
      return result
    } catch (error) {
      // A connection that cannot roll back is broken, and the pool replaces it.
      await run('rollback').catch(() => undefined)
      throw error
    }
  })
}

/** SET takes no parameters. Every caller has the id from the database; whatever else it were must not become SQL. */
function uuid(text: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)) throw new Error(`${text} is no id of a tenant`)
  return text
}
