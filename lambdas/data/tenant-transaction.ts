import { type Kysely, sql, type Transaction } from 'kysely'
import type { Database } from './database.ts'

/**
 * Runs `work` in a transaction that sees one tenant only: row-level security compares each row with `app.tenant_id`,
 * which ends with the transaction. Outside of it the API's role sees nothing.
 */
export function inTenant<Result>(
  db: Kysely<Database>,
  tenantId: string,
  work: (transaction: Transaction<Database>) => Promise<Result>,
): Promise<Result> {
  return db.transaction().execute(async (transaction) => {
    await sql`select set_config('app.tenant_id', ${tenantId}, true)`.execute(transaction)
    return work(transaction)
  })
}
