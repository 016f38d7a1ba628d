import type { Transaction } from 'kysely'
import type { PlantAccess } from '../../schemas/api.ts'
import type { ChangeUser, UserAccount } from '../../schemas/people.ts'
import type { Role } from '../../schemas/permissions.ts'
import type { Database } from './database.ts'
import { nextSecond, visibleUser } from './users.ts'
import { type Author, writeAudit } from './write-audit.ts'

export interface ChangedUser {
  firebaseUid: string | null
  /** Something is different now. */
  changed: boolean
}

/**
 * `check` throws to keep the user as they are.
 * A tenant keeps an admin who can sign in, and one of all plants when it has one: else nobody could give access again.
 * All admins are locked, so that of two who demote each other one finds that the other is gone.
 */
export async function changeUser(
  transaction: Transaction<Database>,
  by: Author,
  access: PlantAccess,
  userId: string,
  change: ChangeUser,
  check: (before: Pick<UserAccount, 'role' | 'plantAccess' | 'disabled'>) => void,
): Promise<ChangedUser | 'not_found' | 'last_admin'> {
  const rows = await transaction
    .selectFrom('users')
    .select(['id', 'email', 'role', 'all_plants', 'plant_ids', 'disabled_at', 'firebase_uid', 'sessions_valid_after'])
    .select(visibleUser(access).as('visible'))
    .where('tenant_id', '=', by.tenantId)
    .where((eb) => eb.or([eb('id', '=', userId), eb('role', '=', 'admin')]))
    .orderBy('id')
    .forUpdate()
    .execute()
  const user = rows.find((row) => row.id === userId && row.visible)
  if (user === undefined) return 'not_found'
  check(view(user))

  const isDisabled = change.disabled ?? user.disabled_at !== null
  const plants = change.plantAccess ?? (user.all_plants ? 'all' : user.plant_ids)
  const next = {
    ...user,
    role: change.role ?? user.role,
    all_plants: plants === 'all',
    plant_ids: plants === 'all' ? [] : [...new Set(plants)],
    disabled_at: isDisabled ? (user.disabled_at ?? Date.now()) : null,
  }
  const after = rows.map((row) => (row === user ? next : row))
  if (!after.some(isActiveAdmin)) return 'last_admin'
  if (rows.some(isActiveAdminOfAll) && !after.some(isActiveAdminOfAll)) return 'last_admin'

  const [before, now] = [view(user), view(next)]
  if (JSON.stringify(before) === JSON.stringify(now)) return { firebaseUid: user.firebase_uid, changed: false }
  const { role, all_plants, plant_ids, disabled_at } = next
  // Sessions of before do not come back with an account that is enabled again.
  const endsSessions = disabled_at !== null && user.disabled_at === null
  await transaction
    .updateTable('users')
    .set({ role, all_plants, plant_ids, disabled_at, updated_at: Date.now(), updated_by: by.userId })
    .$if(endsSessions, (query) => query.set({ sessions_valid_after: nextSecond() }))
    .where('tenant_id', '=', by.tenantId)
    .where('id', '=', userId)
    .execute()
  await writeAudit(transaction, { ...by, action: 'user.change', subject: user.email, before, after: now })
  return { firebaseUid: user.firebase_uid, changed: true }
}

interface Rights {
  role: Role
  all_plants: boolean
  plant_ids: string[]
  disabled_at: number | null
}

const isActiveAdmin = ({ role, disabled_at }: Rights) => role === 'admin' && disabled_at === null
const isActiveAdminOfAll = (user: Rights) => isActiveAdmin(user) && user.all_plants

const view = ({ role, all_plants, plant_ids, disabled_at }: Rights) => ({
  role,
  plantAccess: all_plants ? ('all' as const) : plant_ids.toSorted(),
  disabled: disabled_at !== null,
})
