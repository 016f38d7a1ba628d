import type { Kysely, Transaction } from 'kysely'
import type { NotificationChoice } from '../../schemas/alarm-requests.ts'
import type { Database } from './database.ts'
import { type Author, writeAudit } from './write-audit.ts'

/** Of who has not chosen: the page tells, nobody is mailed. */
export const NO_CHOICE: NotificationChoice = { emailFrom: null, emailWhenCleared: false, quietHours: null }

export async function readNotificationChoice(
  db: Kysely<Database>,
  { tenantId, userId }: { tenantId: string; userId: string },
): Promise<NotificationChoice> {
  const row = await db
    .selectFrom('notification_choices')
    .select(['email_from as emailFrom', 'email_when_cleared as emailWhenCleared', 'quiet_hours as quietHours'])
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .executeTakeFirst()
  return row ?? NO_CHOICE
}

/** `change` gives the choice as it is to be, or throws to keep it. */
export async function changeNotificationChoice(
  transaction: Transaction<Database>,
  by: Author & { userId: string },
  email: string,
  change: (before: NotificationChoice) => NotificationChoice,
): Promise<NotificationChoice> {
  // Of the user's row: a choice may have none yet.
  await transaction
    .selectFrom('users')
    .select('id')
    .where('tenant_id', '=', by.tenantId)
    .where('id', '=', by.userId)
    .forUpdate()
    .execute()
  const before = await readNotificationChoice(transaction, by)
  const after = change(before)
  const columns = {
    ...{ email_from: after.emailFrom, email_when_cleared: after.emailWhenCleared, updated_at: Date.now() },
    quiet_hours: after.quietHours && JSON.stringify(after.quietHours),
  }
  await transaction
    .insertInto('notification_choices')
    .values({ user_id: by.userId, tenant_id: by.tenantId, ...columns })
    .onConflict((conflict) => conflict.column('user_id').doUpdateSet(columns))
    .execute()
  await writeAudit(transaction, { ...by, action: 'user.change_notifications', subject: email, before, after })
  return after
}
