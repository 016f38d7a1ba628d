/** What the platform team creates. Each function is idempotent: it tells whether the row was there already. */
import type { Kysely, Selectable } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import type { CreatePlant } from '../../schemas/api.ts'
import { createPlant } from './create-plant.ts'
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

/** The plant of that slug, made where there was none. */
export function ensurePlant(
  db: Kysely<Database>,
  tenantId: string,
  plant: CreatePlant,
  requestId: string,
): Promise<Done<Plants>> {
  return db.transaction().execute(async (transaction) => {
    const by = { tenantId, userId: null, requestId }
    const created = await createPlant(transaction, by, { ...plant, plantId: uuidv7() })
    const row = await transaction
      .selectFrom('plants')
      .selectAll()
      .where('tenant_id', '=', tenantId)
      .where('slug', '=', plant.slug)
      .executeTakeFirstOrThrow()
    return { created, row }
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
