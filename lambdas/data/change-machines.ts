import { sql, type SqlBool, type Transaction } from 'kysely'
import type { ChangeMachines, PlantAccess } from '../../schemas/api.ts'
import type { Database } from './database.ts'
import type { PlantName } from './live-cache.ts'
import { visiblePlant } from './visible-plants.ts'
import { type Author, writeAudit } from './write-audit.ts'

/**
 * All of them or none: undefined, and nothing is changed, when one is not there or not to be seen. Those that have the
 * status already are left alone. In the order of their ids, so that two calls never wait for each other.
 */
export async function changeMachines(
  transaction: Transaction<Database>,
  by: Author,
  access: PlantAccess,
  { machineIds, status }: ChangeMachines,
): Promise<{ changed: number; plants: PlantName[] } | undefined> {
  const ids = [...new Set(machineIds)]
  const found = await transaction
    .selectFrom('machines')
    .innerJoin('plants', 'plants.id', 'machines.plant_id')
    .innerJoin('tenants', 'tenants.id', 'machines.tenant_id')
    .select(['machines.id', 'machines.slug', 'machines.name', 'machines.status', 'machines.plant_id as plantId'])
    .select(['plants.slug as plant', 'tenants.slug as tenant'])
    .where('machines.tenant_id', '=', by.tenantId)
    .where(sql<SqlBool>`machines.id = any(${ids}::uuid[])`)
    .where(visiblePlant(access, 'machines.plant_id'))
    .orderBy('machines.id')
    .forUpdate('machines')
    .execute()
  if (found.length < ids.length) return undefined
  const others = found.filter((machine) => machine.status !== status)
  await transaction
    .updateTable('machines')
    .set({ status, updated_at: Date.now(), updated_by: by.userId })
    .where('tenant_id', '=', by.tenantId)
    .where(sql<SqlBool>`id = any(${others.map(({ id }) => id)}::uuid[])`)
    .execute()
  for (const { plantId, plant, slug, name, status: was } of others) {
    const entry = { ...by, plantId, action: 'machine.change', subject: `${plant}/${slug}` }
    await writeAudit(transaction, { ...entry, before: { name, status: was }, after: { name, status } })
  }
  const plants = new Map(others.map(({ tenant, plant }) => [plant, { tenant, plant }]))
  return { changed: others.length, plants: [...plants.values()] }
}
