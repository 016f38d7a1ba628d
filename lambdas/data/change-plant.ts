import type { Transaction } from 'kysely'
import type { ChangePlant, Plant, PlantAccess } from '../../schemas/api.ts'
import type { Database } from './database.ts'
import { visiblePlant } from './visible-plants.ts'
import { type Author, writeAudit } from './write-audit.ts'

/** `check` throws to keep the plant as it is. False when there is no such plant that the user may see. */
export async function changePlant(
  transaction: Transaction<Database>,
  by: Author,
  access: PlantAccess,
  plantId: string,
  { name, timeZone }: ChangePlant,
  check: (before: Pick<Plant, 'name' | 'timeZone'>) => void,
): Promise<boolean> {
  const before = await transaction
    .selectFrom('plants')
    .select(['slug', 'name', 'time_zone as timeZone'])
    .where('tenant_id', '=', by.tenantId)
    .where('id', '=', plantId)
    .where(visiblePlant(access, 'plants.id'))
    .forUpdate()
    .executeTakeFirst()
  if (before === undefined) return false
  check(before)
  const after = { name: name ?? before.name, timeZone: timeZone ?? before.timeZone }
  await transaction
    .updateTable('plants')
    .set({ name: after.name, time_zone: after.timeZone, updated_at: Date.now(), updated_by: by.userId })
    .where('tenant_id', '=', by.tenantId)
    .where('id', '=', plantId)
    .execute()
  const { slug, ...was } = before
  await writeAudit(transaction, { ...by, plantId, action: 'plant.change', subject: slug, before: was, after })
  return true
}
