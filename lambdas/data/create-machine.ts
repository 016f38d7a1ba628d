import { sql, type Transaction } from 'kysely'
import type { CreateMachine } from '../../schemas/api.ts'
import { MAX_MACHINES_PER_PLANT } from './create-machines.ts'
import type { Database } from './database.ts'
import type { PlantAddress } from './plants.ts'
import { type Author, writeAudit } from './write-audit.ts'

/**
 * As a person makes it: active from the start. The lock is the one under which ingest counts a plant's machines.
 * That the user may see the plant has been checked.
 */
export async function createMachine(
  transaction: Transaction<Database>,
  by: Author,
  plant: PlantAddress,
  { machineId, slug, name = null }: CreateMachine & { machineId: string },
): Promise<'made' | 'taken' | 'full'> {
  const { plantId } = plant
  await sql`select pg_advisory_xact_lock(7002, uuid_hash(${plantId}::uuid))`.execute(transaction)
  const { count } = await transaction
    .selectFrom('machines')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('tenant_id', '=', by.tenantId)
    .where('plant_id', '=', plantId)
    .where('status', '<>', 'retired')
    .executeTakeFirstOrThrow()
  if (count >= MAX_MACHINES_PER_PLANT) return 'full'
  const now = Date.now()
  const created = await transaction
    .insertInto('machines')
    .values({
      ...{ id: machineId, tenant_id: by.tenantId, plant_id: plantId, slug, name, status: 'active' },
      ...{ created_at: now, created_by: by.userId, updated_at: now, updated_by: by.userId },
    })
    .onConflict((conflict) => conflict.columns(['plant_id', 'slug']).doNothing())
    .returning('id')
    .executeTakeFirst()
  if (created === undefined) return 'taken'
  const entry = { ...by, plantId, action: 'machine.create', subject: `${plant.slug}/${slug}` }
  await writeAudit(transaction, { ...entry, after: { name, status: 'active' } })
  return 'made'
}
