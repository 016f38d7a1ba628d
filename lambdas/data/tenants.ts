/** Tenants as the platform team sees them. */
import { type Kysely, sql } from 'kysely'
import type { GatewaySummary, TenantSummary } from '../../schemas/admin.ts'
import type { Database } from './database.ts'
import { writeAudit } from './write-audit.ts'

/** By slug. */
export async function listTenants(db: Kysely<Database>): Promise<TenantSummary[]> {
  const { rows } = await sql<TenantSummary>`
    select slug, name, created_at as "createdAt", disabled_at as "disabledAt", deleting_at as "deletingAt",
      (select count(*) from plants where tenant_id = t.id) as plants,
      (select count(*) from machines where tenant_id = t.id) as machines,
      (select count(*) from gateways where tenant_id = t.id) as gateways,
      (select count(*) from users where tenant_id = t.id) as users
    from tenants t order by slug`.execute(db)
  return rows
}

/** By tenant and name; of all tenants when none is named. */
export function listGatewaysOf(db: Kysely<Database>, tenant: string | undefined): Promise<GatewaySummary[]> {
  return db
    .selectFrom('gateways')
    .innerJoin('tenants', 'tenants.id', 'gateways.tenant_id')
    .innerJoin('plants', 'plants.id', 'gateways.plant_id')
    .select(['thing_name as thingName', 'tenants.slug as tenant', 'plants.province', 'plants.slug as plant'])
    .select(['lifecycle', 'connection', 'last_seen_at as lastSeenAt'])
    .$if(tenant !== undefined, (query) => query.where('tenants.slug', '=', tenant!))
    .orderBy('tenants.slug')
    .orderBy('thing_name')
    .execute()
}

export function findTenant(db: Kysely<Database>, slug: string) {
  return db.selectFrom('tenants').selectAll().where('slug', '=', slug).executeTakeFirst()
}

/** False when it was so already. `beforeCommit`: what must not be able to remember it as it was. */
export function setDisabled(
  db: Kysely<Database>,
  { id, slug }: { id: string; slug: string },
  disabled: boolean,
  requestId: string,
  beforeCommit: () => Promise<void>,
): Promise<boolean> {
  return db.transaction().execute(async (transaction) => {
    const { numUpdatedRows } = await transaction
      .updateTable('tenants')
      .set({ disabled_at: disabled ? Date.now() : null })
      .where('id', '=', id)
      .where('disabled_at', disabled ? 'is' : 'is not', null)
      .where('deleting_at', 'is', null)
      .executeTakeFirst()
    if (numUpdatedRows > 0n) {
      const action = disabled ? 'tenant.disable' : 'tenant.enable'
      await writeAudit(transaction, { tenantId: id, userId: null, requestId, action, subject: slug })
    }
    await beforeCommit()
    return numUpdatedRows > 0n
  })
}

/** From now on there is no way back. Returns when it began (epoch ms), which may have been earlier. */
export async function beginDeletion(db: Kysely<Database>, tenantId: string): Promise<number> {
  const { deleting_at } = await db
    .updateTable('tenants')
    .set({
      disabled_at: sql`coalesce(disabled_at, ${Date.now()})`,
      deleting_at: sql`coalesce(deleting_at, ${Date.now()})`,
    })
    .where('id', '=', tenantId)
    .returning('deleting_at')
    .executeTakeFirstOrThrow()
  return deleting_at!
}

export interface Person {
  userId: string
  firebaseUid: string | null
}

export function peopleOf(db: Kysely<Database>, tenantId: string): Promise<Person[]> {
  return db
    .selectFrom('users')
    .select(['id as userId', 'firebase_uid as firebaseUid'])
    .where('tenant_id', '=', tenantId)
    .orderBy('id')
    .execute()
}

/** Of a gateway, by its name. */
export function certificatesOf(db: Kysely<Database>, thingName: string) {
  return db
    .selectFrom('gateway_certificates')
    .innerJoin('gateways', 'gateways.id', 'gateway_certificates.gateway_id')
    .select(['certificate_id as id', 'key_hash as keyHash', 'requested_at as requestedAt'])
    .where('thing_name', '=', thingName)
    .execute()
}
