import { type Kysely, sql, type Transaction } from 'kysely'
import type { CreatePlant, PlantAccess } from '../../schemas/api.ts'
import type { Database } from './database.ts'
import { type Author, writeAudit } from './write-audit.ts'

/** False when the tenant has a plant of that slug, in whatever province. */
export async function createPlant(
  transaction: Transaction<Database>,
  by: Author,
  { plantId, slug, province, name, timeZone }: CreatePlant & { plantId: string },
): Promise<boolean> {
  const now = Date.now()
  const created = await transaction
    .insertInto('plants')
    .values({
      ...{ id: plantId, tenant_id: by.tenantId, province, slug, name, time_zone: timeZone },
      ...{ created_at: now, created_by: by.userId, updated_at: now, updated_by: by.userId },
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'slug']).doNothing())
    .returning('id')
    .executeTakeFirst()
  if (created === undefined) return false
  const entry = { ...by, plantId, action: 'plant.create', subject: slug }
  await writeAudit(transaction, { ...entry, after: { province, name, timeZone } })
  return true
}

/** An admin of some plants only sees the plants that they make as well. False when nothing had to be changed. */
export async function addToOwnPlants(
  transaction: Kysely<Database>,
  { tenantId, userId }: { tenantId: string; userId: string },
  access: PlantAccess,
  plantId: string,
): Promise<boolean> {
  if (access === 'all') return false
  await transaction
    .updateTable('users')
    .set({ plant_ids: sql`array_append(plant_ids, ${plantId}::uuid)`, updated_at: Date.now(), updated_by: userId })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', userId)
    .execute()
  return true
}
