/** People of a tenant, as its admins see them: an admin of some plants sees those who have no others. */
import { type Kysely, type RawBuilder, sql, type SqlBool, type Transaction } from 'kysely'
import type { PlantAccess } from '../../schemas/api.ts'
import type { CreateUser, UserAccount } from '../../schemas/people.ts'
import type { Database } from './database.ts'
import type { PageOf } from './page.ts'
import { inTenant } from './tenant-transaction.ts'
import { visiblePlant } from './visible-plants.ts'
import { type Author, writeAudit } from './write-audit.ts'

/** Condition that a user has no plant beyond these: nobody gives, or takes, more than they have. */
export function visibleUser(access: PlantAccess): RawBuilder<SqlBool> {
  return access === 'all' ? sql<SqlBool>`true` : sql<SqlBool>`not all_plants and plant_ids <@ ${access}::uuid[]`
}

const accountsOf = (db: Kysely<Database>, tenantId: string, access: PlantAccess) =>
  db
    .selectFrom('users')
    .select(['id', 'email', 'role', 'all_plants', 'plant_ids', 'disabled_at', 'invited_at', 'last_seen_at'])
    .select(['created_at', 'updated_at', 'firebase_uid'])
    .where('tenant_id', '=', tenantId)
    .where(visibleUser(access))

type Row = Awaited<ReturnType<ReturnType<typeof accountsOf>['executeTakeFirstOrThrow']>>

const accountOf = (row: Row): UserAccount => ({
  ...{ userId: row.id, email: row.email, role: row.role },
  plantAccess: row.all_plants ? 'all' : row.plant_ids,
  ...{ disabled: row.disabled_at !== null, invitedAt: row.invited_at, lastSeenAt: row.last_seen_at },
  ...{ createdAt: row.created_at, updatedAt: row.updated_at },
})

/** By address. */
export async function listUsers(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
  { limit, after }: PageOf,
): Promise<UserAccount[]> {
  const rows = await accountsOf(db, tenantId, access)
    .$if(after !== undefined, (query) => query.where('email', '>', after!))
    .orderBy('email')
    .limit(limit)
    .execute()
  return rows.map(accountOf)
}

/** Undefined when there is none, or none whom the caller may see. `firebaseUid` is not for the API's callers. */
export async function findAccount(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
  userId: string,
): Promise<{ account: UserAccount; firebaseUid: string | null } | undefined> {
  const row = await accountsOf(db, tenantId, access).where('id', '=', userId).executeTakeFirst()
  return row && { account: accountOf(row), firebaseUid: row.firebase_uid }
}

/** False when one of the plants is not there or not the caller's. */
export async function mayGive(
  db: Kysely<Database>,
  tenantId: string,
  own: PlantAccess,
  given: PlantAccess,
): Promise<boolean> {
  if (given === 'all') return own === 'all'
  const ids = [...new Set(given)]
  const rows = await db
    .selectFrom('plants')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where(visiblePlant(own, 'plants.id'))
    .where(sql<SqlBool>`id = any(${ids}::uuid[])`)
    .execute()
  return rows.length === ids.length
}

/**
 * Takes the address, before there is an account for it. False when it is taken, be it by another tenant; true again for the
 * user of this very id, so that a call which broke off can be repeated.
 */
export async function reserveUser(
  transaction: Transaction<Database>,
  by: Author,
  { userId, email, role, plantAccess }: CreateUser & { userId: string },
): Promise<boolean> {
  const now = Date.now()
  const reserved = await transaction
    .insertInto('users')
    .values({
      ...{ id: userId, tenant_id: by.tenantId, email, role, all_plants: plantAccess === 'all' },
      plant_ids: plantAccess === 'all' ? [] : [...new Set(plantAccess)],
      ...{ created_at: now, created_by: by.userId, updated_at: now, updated_by: by.userId },
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  if (reserved === undefined) return isAddressOf(transaction, by.tenantId, userId, email)
  await writeAudit(transaction, { ...by, action: 'user.create', subject: email, after: { role, plantAccess } })
  return true
}

async function isAddressOf(db: Kysely<Database>, tenantId: string, userId: string, email: string): Promise<boolean> {
  const row = await db
    .selectFrom('users')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where('id', '=', userId)
    .where('email', '=', email)
    .executeTakeFirst()
  return row !== undefined
}

/** Takes the reservation back. One that has got its account in the meantime stays. */
export async function removeReservedUser(
  transaction: Transaction<Database>,
  by: Author,
  user: { userId: string; email: string },
): Promise<void> {
  const { numDeletedRows } = await transaction
    .deleteFrom('users')
    .where('tenant_id', '=', by.tenantId)
    .where('id', '=', user.userId)
    .where('firebase_uid', 'is', null)
    .executeTakeFirst()
  if (numDeletedRows > 0n) await writeAudit(transaction, { ...by, action: 'user.create_undone', subject: user.email })
}

/** Writes down which account it is. `invitedAt` null: there is a password already. */
export async function nameAccount(
  transaction: Transaction<Database>,
  by: Author,
  { userId, firebaseUid, invitedAt }: { userId: string; firebaseUid: string; invitedAt: number | null },
): Promise<void> {
  await transaction
    .updateTable('users')
    .set({ firebase_uid: firebaseUid, invited_at: invitedAt, updated_at: Date.now(), updated_by: by.userId })
    .where('tenant_id', '=', by.tenantId)
    .where('id', '=', userId)
    .execute()
}

/** Whoever has signed in until now has to sign in again. */
export async function endSessions(
  transaction: Transaction<Database>,
  by: Author,
  { userId, email }: { userId: string; email: string },
): Promise<void> {
  const sessions_valid_after = nextSecond()
  await transaction
    .updateTable('users')
    .set({ sessions_valid_after, updated_at: Date.now(), updated_by: by.userId })
    .where('tenant_id', '=', by.tenantId)
    .where('id', '=', userId)
    .execute()
  await writeAudit(transaction, { ...by, action: 'user.sign_out', subject: email })
}

/** Firebase tells the time of a sign-in in whole seconds: one of this second cannot be told from one after it. */
export const nextSecond = () => (Math.floor(Date.now() / 1000) + 1) * 1000

export async function changeLocale(
  transaction: Transaction<Database>,
  by: Author & { userId: string },
  user: { email: string; locale: 'en' | 'es' | null },
  locale: 'en' | 'es' | null,
): Promise<void> {
  await transaction
    .updateTable('users')
    .set({ locale, updated_at: Date.now(), updated_by: by.userId })
    .where('tenant_id', '=', by.tenantId)
    .where('id', '=', by.userId)
    .execute()
  const entry = { ...by, action: 'user.change_locale', subject: user.email }
  await writeAudit(transaction, { ...entry, before: { locale: user.locale }, after: { locale } })
}

export async function noteSeen(db: Kysely<Database>, { tenantId, userId }: { tenantId: string; userId: string }) {
  await inTenant(db, tenantId, (transaction) =>
    transaction
      .updateTable('users')
      .set({ last_seen_at: Date.now() })
      .where('tenant_id', '=', tenantId)
      .where('id', '=', userId)
      .execute(),
  )
}
