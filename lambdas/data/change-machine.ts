import type { Transaction } from 'kysely'
import type { ChangeMachine, Machine, PlantAccess } from '../../schemas/api.ts'
import type { Database } from './database.ts'
import type { PlantName } from './live-cache.ts'
import { visiblePlant } from './visible-plants.ts'
import { type Author, writeAudit } from './write-audit.ts'

/** `check` throws to keep the machine as it is. Returns the plant whose machine it is; undefined when there is no such machine that the user may see. */
export async function changeMachine(
  transaction: Transaction<Database>,
  by: Author,
  access: PlantAccess,
  machineId: string,
  { name, status }: ChangeMachine,
  check: (before: Pick<Machine, 'name' | 'status'>) => void,
): Promise<PlantName | undefined> {
  const found = await transaction
    .selectFrom('machines')
    .innerJoin('plants', 'plants.id', 'machines.plant_id')
    .innerJoin('tenants', 'tenants.id', 'machines.tenant_id')
    .select([
      'machines.slug',
      'machines.name',
      'machines.status',
      'machines.plant_id as plantId',
      'plants.slug as plant',
      'tenants.slug as tenant',
    ])
    .where('machines.tenant_id', '=', by.tenantId)
    .where('machines.id', '=', machineId)
    .where(visiblePlant(access, 'machines.plant_id'))
    .forUpdate('machines')
    .executeTakeFirst()
  if (found === undefined) return undefined
  const before = { name: found.name, status: found.status }
  check(before)
  const after = { name: name === undefined ? found.name : name, status: status ?? found.status }
  await transaction
    .updateTable('machines')
    .set({ ...after, updated_at: Date.now(), updated_by: by.userId })
    .where('tenant_id', '=', by.tenantId)
    .where('id', '=', machineId)
    .execute()
  const { tenant, plant, plantId, slug } = found
  const entry = { ...by, plantId, action: 'machine.change', subject: `${plant}/${slug}` }
  await writeAudit(transaction, { ...entry, before, after })
  return { tenant, plant }
}
