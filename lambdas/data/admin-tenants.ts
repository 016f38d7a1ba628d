/** What the platform team creates. Each function is idempotent: it tells whether the row was there already. */
import type { Kysely, Selectable } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import type { Database, Plants, Tenants, Users } from './database.ts'
import { writeAudit } from './write-audit.ts'

interface Done<Row> {
  created: boolean
  row: Selectable<Row>
}

export function createTenant(
  db: Kysely<Database>,
  { slug, name }: { slug: string; name: string },
  requestId: string,
): Promise<Done<Tenants>> {
  return db.transaction().execute(async (transaction) => {
    const created = await transaction
      .insertInto('tenants')
      .values({ id: uuidv7(), slug, name, created_at: Date.now() })
      .onConflict((conflict) => conflict.column('slug').doNothing())
      .returningAll()
      .executeTakeFirst()
    if (created === undefined) {
      const row = await transaction.selectFrom('tenants').selectAll().where('slug', '=', slug).executeTakeFirstOrThrow()
      return { created: false, row }
    }
    const entry = { tenantId: created.id, userId: null, requestId, action: 'tenant.create', subject: slug }
    await writeAudit(transaction, { ...entry, after: { name } })
    return { created: true, row: created }
  })
}

export async function findTenantId(db: Kysely<Database>, slug: string): Promise<string | undefined> {
  const row = await db.selectFrom('tenants').select('id').where('slug', '=', slug).executeTakeFirst()
  return row?.id
}

export function createPlant(
  db: Kysely<Database>,
  tenantId: string,
  plant: { slug: string; province: string; name: string; timeZone: string },
  requestId: string,
): Promise<Done<Plants>> {
  const { slug, province, name, timeZone } = plant
  return db.transaction().execute(async (transaction) => {
    const now = Date.now()
    const created = await transaction
      .insertInto('plants')
      .values({
        id: uuidv7(),
        tenant_id: tenantId,
        province,
        slug,
        name,
        time_zone: timeZone,
        created_at: now,
        updated_at: now,
      })
      .onConflict((conflict) => conflict.columns(['tenant_id', 'slug']).doNothing())
      .returningAll()
      .executeTakeFirst()
    if (created === undefined) {
      const row = await transaction
        .selectFrom('plants')
        .selectAll()
        .where('tenant_id', '=', tenantId)
        .where('slug', '=', slug)
        .executeTakeFirstOrThrow()
      return { created: false, row }
    }
    const entry = { tenantId, userId: null, requestId, action: 'plant.create', subject: slug }
    await writeAudit(transaction, { ...entry, after: { province, name, timeZone } })
    return { created: true, row: created }
  })
}

/** Ids of the plants of these slugs, by slug; one that does not exist is missing. */
export async function plantIdsBySlug(
  db: Kysely<Database>,
  tenantId: string,
  slugs: string[],
): Promise<Map<string, string>> {
  if (slugs.length === 0) return new Map()
  const rows = await db
    .selectFrom('plants')
    .select(['slug', 'id'])
    .where('tenant_id', '=', tenantId)
    .where('slug', 'in', slugs)
    .execute()
  return new Map(rows.map(({ slug, id }) => [slug, id]))
}

/** Whatever tenant the user belongs to. */
export function findUserByEmail(db: Kysely<Database>, email: string): Promise<Selectable<Users> | undefined> {
  return db.selectFrom('users').selectAll().where('email', '=', email).executeTakeFirst()
}

interface NewUser {
  firebaseUid: string
  email: string
  role: Users['role']
  plants: 'all' | string[]
}

export function createUser(
  db: Kysely<Database>,
  tenantId: string,
  { firebaseUid, email, role, plants }: NewUser,
  requestId: string,
): Promise<string> {
  return db.transaction().execute(async (transaction) => {
    const { id } = await transaction
      .insertInto('users')
      .values({
        id: uuidv7(),
        tenant_id: tenantId,
        firebase_uid: firebaseUid,
        email,
        role,
        all_plants: plants === 'all',
        plant_ids: plants === 'all' ? [] : plants,
        created_at: Date.now(),
      })
      .returning('id')
      .executeTakeFirstOrThrow()
    const entry = { tenantId, userId: null, requestId, action: 'user.create', subject: email }
    await writeAudit(transaction, { ...entry, after: { role, plants } })
    return id
  })
}
