import { type Kysely, sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { Database } from './database.ts'

export interface NewMachine {
  tenantId: string
  plantId: string
  slug: string
  gatewayId: string
}

/** A gateway with a wrong configuration must not fill the database with machines. */
export const MAX_MACHINES_PER_PLANT = 500

/**
 * Makes machines as `pending`, in a commit of its own, so that the locks are short. Existing ones are left as they are;
 * those above the plant's quota are not made. Of a gateway that was deleted a moment ago no id is kept. The advisory locks
 * let one writer at a time count a plant's machines; ascending, so that two writers never wait for each other.
 */
export async function createMachines(db: Kysely<Database>, machines: NewMachine[]): Promise<void> {
  const plantIds = [...new Set(machines.map((machine) => machine.plantId))]
  await db.transaction().execute(async (transaction) => {
    await sql`
      select pg_advisory_xact_lock(7002, plant.lock)
      from (select distinct uuid_hash(id) as lock from unnest(${plantIds}::uuid[]) id order by 1) plant
    `.execute(transaction)
    await sql`
      insert into machines (id, tenant_id, plant_id, slug, gateway_id, created_at, updated_at)
      select n.id, n.tenant_id, n.plant_id, n.slug, g.id, ${Date.now()}::int8, ${Date.now()}::int8
      from (
        select u.*, row_number() over (partition by u.plant_id order by u.slug)
          + (select count(*) from machines m where m.plant_id = u.plant_id and m.status <> 'retired') as place
        from unnest(${machines.map(() => uuid())}::uuid[], ${machines.map((one) => one.tenantId)}::uuid[],
          ${machines.map((one) => one.plantId)}::uuid[], ${machines.map((one) => one.slug)}::text[],
          ${machines.map((one) => one.gatewayId)}::uuid[]) as u(id, tenant_id, plant_id, slug, gateway_id)
        where not exists (select from machines m where m.plant_id = u.plant_id and m.slug = u.slug)
      ) n
      left join gateways g on g.id = n.gateway_id
      where n.place <= ${MAX_MACHINES_PER_PLANT}
      order by n.plant_id, n.slug
      on conflict (plant_id, slug) do nothing
    `.execute(transaction)
  })
}
