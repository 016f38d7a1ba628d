/**
 * Requests that carried an Idempotency-Key, with their answers, for a day. The row is written before the work begins.
 * In the transaction of the work, a crash takes both away, and a second request waits for the first one's commit.
 * Committed before the work, which then is several transactions, a crash leaves a row without an answer: after
 * `BROKEN_OFF_AFTER_MS` a repeat takes it up, with the same id.
 */
import { type Kysely, sql } from 'kysely'
import type { Database } from './database.ts'

const KEPT_MS = 24 * 60 * 60 * 1000
/** Longer than the function may run. */
export const BROKEN_OFF_AFTER_MS = 30_000
/** Each new row takes more old ones with it than it adds. */
const FORGOTTEN_AT_ONCE = 10

export interface KeyedRequest {
  tenantId: string
  userId: string
  operation: string
  /** Not the key itself, which opens the answer. */
  keySha256: Buffer
  requestSha256: Buffer
  newId: string
}

export type Claim =
  /** `id` is the earlier one's when the work is taken up. */
  | { state: 'begin'; id: string }
  | { state: 'answered'; answer: Buffer }
  | { state: 'running' }
  | { state: 'other request' }

/** To be called in a transaction of the tenant. */
export async function claimKey(db: Kysely<Database>, request: KeyedRequest): Promise<Claim> {
  const { tenantId, userId, operation, keySha256, requestSha256, newId } = request
  const now = Date.now()
  await sql`
    delete from idempotency_keys where (tenant_id, user_id, operation, key_sha256) in (
      select tenant_id, user_id, operation, key_sha256 from idempotency_keys
      where tenant_id = ${tenantId} and started_at < ${now - KEPT_MS}
      order by started_at limit ${FORGOTTEN_AT_ONCE} for update skip locked)`.execute(db)
  const begun = await sql<{ id: string }>`
    insert into idempotency_keys as k (tenant_id, user_id, operation, key_sha256, request_sha256, id, started_at)
    values (${tenantId}, ${userId}, ${operation}, ${keySha256}, ${requestSha256}, ${newId}, ${now})
    on conflict (tenant_id, user_id, operation, key_sha256) do update
      set started_at = ${now}, request_sha256 = excluded.request_sha256, answer = null,
        id = case when k.started_at < ${now - KEPT_MS} or k.request_sha256 <> ${requestSha256} then excluded.id else k.id end
      where k.started_at < ${now - KEPT_MS} or (k.answer is null and k.started_at < ${now - BROKEN_OFF_AFTER_MS})
    returning id`.execute(db)
  if (begun.rows[0] !== undefined) return { state: 'begin', id: begun.rows[0].id }
  const { rows } = await sql<{ answer: Buffer | null; isSame: boolean }>`
    select answer, request_sha256 = ${requestSha256} as "isSame" from idempotency_keys
    where ${isKey(request)}`.execute(db)
  // Not there: it was forgotten a moment ago, or its transaction has failed.
  if (rows[0] === undefined) return { state: 'running' }
  if (!rows[0].isSame) return { state: 'other request' }
  return rows[0].answer === null ? { state: 'running' } : { state: 'answered', answer: rows[0].answer }
}

export async function keepAnswer(db: Kysely<Database>, request: KeyedRequest, answer: Buffer): Promise<void> {
  await sql`update idempotency_keys set answer = ${answer} where ${isKey(request)}`.execute(db)
}

/**
 * After a failure. A repeat begins at once, and with the same id: what an earlier attempt or this one could not take back is
 * found by it. Another request may have the key as well, with an id of its own.
 */
export async function releaseKey(db: Kysely<Database>, request: KeyedRequest): Promise<void> {
  const brokenOff = Date.now() - BROKEN_OFF_AFTER_MS - 1
  await sql`update idempotency_keys set started_at = ${brokenOff} where ${isKey(request)} and answer is null`.execute(
    db,
  )
}

const isKey = ({ tenantId, userId, operation, keySha256 }: KeyedRequest) =>
  sql`tenant_id = ${tenantId} and user_id = ${userId} and operation = ${operation} and key_sha256 = ${keySha256}`
