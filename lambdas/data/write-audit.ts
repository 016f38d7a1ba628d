import type { Transaction } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import type { Database } from './database.ts'

/** Who does something, and in which request. */
export interface Author {
  tenantId: string
  /** Null when no person has done it: the platform team, or a gateway with its token. */
  userId: string | null
  requestId: string
}

export interface AuditEntry extends Author {
  /** `thing.verb`, for instance `gateway.create`. */
  action: string
  /** Natural key of what was changed. */
  subject: string
  /** Whose plant it is; without one the entry is shown to admins of all plants only. */
  plantId?: string | null
  before?: unknown
  after?: unknown
}

/** Takes a transaction, so that no change is made without its entry. */
export async function writeAudit(transaction: Transaction<Database>, entry: AuditEntry): Promise<void> {
  await transaction
    .insertInto('audit_log')
    .values({
      id: uuidv7(),
      tenant_id: entry.tenantId,
      plant_id: entry.plantId ?? null,
      at: Date.now(),
      user_id: entry.userId,
      action: entry.action,
      subject: entry.subject,
      before: entry.before === undefined ? null : JSON.stringify(entry.before),
      after: entry.after === undefined ? null : JSON.stringify(entry.after),
      request_id: entry.requestId,
    })
    .execute()
}
