import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { v7 as uuidv7 } from 'uuid'
import type { PlantAccess } from '../../schemas/api.ts'
import type { Role } from '../../schemas/permissions.ts'

export interface TestTenant {
  tenantId: string
  slug: string
  plants: { plantId: string; slug: string; province: string }[]
}

/** A tenant with plants, whose slug no other test has: Redis is shared. */
export async function createTenant(master: pg.Pool, plants: string[]): Promise<TestTenant> {
  const tenantId = uuidv7()
  const slug = `t-${randomUUID().slice(0, 8)}`
  const now = Date.now()
  await master.query('insert into tenants (id, slug, name, created_at) values ($1, $2, $3, $4)', [
    tenantId,
    slug,
    slug,
    now,
  ])
  const created = []
  for (const plant of plants) {
    const plantId = uuidv7()
    await master.query(
      `insert into plants (id, tenant_id, province, slug, name, time_zone, created_at, updated_at)
       values ($1, $2, 'ba', $3, $3, 'America/Argentina/Buenos_Aires', $4, $4)`,
      [plantId, tenantId, plant, now],
    )
    created.push({ plantId, slug: plant, province: 'ba' })
  }
  return { tenantId, slug, plants: created }
}

/** Returns the user's Firebase uid. */
export async function createUser(
  master: pg.Pool,
  tenantId: string,
  role: Role,
  access: PlantAccess,
  disabledAt: number | null = null,
): Promise<string> {
  const uid = `uid-${randomUUID()}`
  await master.query(
    `insert into users (id, tenant_id, firebase_uid, email, role, all_plants, plant_ids, created_at, updated_at, disabled_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)`,
    [
      uuidv7(),
      tenantId,
      uid,
      `${uid}@example.com`,
      role,
      access === 'all',
      access === 'all' ? [] : access,
      Date.now(),
      disabledAt,
    ],
  )
  return uid
}

/** Machines `machine-0001`… with a state of these values. */
export async function createMachines(
  master: pg.Pool,
  tenantId: string,
  plantId: string,
  count: number,
  values: Record<string, unknown> = { temperature: 71.2 },
): Promise<string[]> {
  const ids = Array.from({ length: count }, () => uuidv7())
  const slugs = ids.map((_, index) => `machine-${String(index + 1).padStart(4, '0')}`)
  await master.query(
    `insert into machines (id, tenant_id, plant_id, slug, created_at, updated_at)
     select id, $1, $2, slug, 0, 0 from unnest($3::uuid[], $4::text[]) as u (id, slug)`,
    [tenantId, plantId, ids, slugs],
  )
  await master.query(
    `insert into machine_state (machine_id, tenant_id, ts, seq, received_at, values, last_seen_at, revision)
     select id, $1, 1000, 7, 1100, $2, 1100, 1 from unnest($3::uuid[]) as u (id)`,
    [tenantId, JSON.stringify(values), ids],
  )
  return ids
}

export async function createGateway(
  master: pg.Pool,
  tenantId: string,
  plantId: string,
  thingName: string,
  lifecycle = 'active',
): Promise<string> {
  const id = uuidv7()
  await master.query(
    `insert into gateways (id, tenant_id, plant_id, thing_name, lifecycle, created_at) values ($1, $2, $3, $4, $5, $6)`,
    [id, tenantId, plantId, thingName, lifecycle, Date.now()],
  )
  return id
}
