import { Kysely, PostgresDialect, sql } from 'kysely'
import type pg from 'pg'
import { readCompleteness } from '../../lambdas/data/completeness.ts'
import type { Database } from '../../lambdas/data/database.ts'
import { readMissingRanges } from '../../lambdas/data/missing-ranges.ts'
import type { CompletenessOfMachine } from '../../schemas/api.ts'
import type { TestPlant } from '../helpers/plant.ts'

const DAY_MS = 86_400_000

export type Completeness = Pick<
  CompletenessOfMachine,
  | 'expected'
  | 'stored'
  | 'missing'
  | 'dropped'
  | 'quarantined'
  | 'lost'
  | 'held'
  | 'underway'
  | 'undeclared'
  | 'missingRanges'
>

/** What the system tells of a machine the day after, when nothing is underway any more. */
export async function completenessOf(pool: pg.Pool, { tenantId }: TestPlant, machineId: string): Promise<Completeness> {
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
  const machines = sql<boolean>`machines.id = ${machineId}`
  const asked = { tenantId, machines, from: undefined, to: undefined, now: Date.now() + DAY_MS }
  const { items } = await readCompleteness(db, asked, 1)
  const { expected, stored, missing, dropped, quarantined, lost, held, underway, undeclared } = items[0]!
  const { missingRanges } = await readMissingRanges(db, asked)
  return { expected, stored, missing, dropped, quarantined, lost, held, underway, undeclared, missingRanges }
}
