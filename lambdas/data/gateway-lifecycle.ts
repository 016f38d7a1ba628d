/** What people do to a gateway, in Postgres: before AWS IoT is told to end something, after it was told to allow something. */
import { type Kysely, sql, type Transaction } from 'kysely'
import type { Lifecycle, PlantAccess } from '../../schemas/api.ts'
import type { GatewayAddress } from '../../schemas/topics.ts'
import type { Database } from './database.ts'
import type { GatewayRef } from './gateway-lease.ts'
import { inTenant } from './tenant-transaction.ts'
import { visiblePlant } from './visible-plants.ts'
import { type Author, writeAudit } from './write-audit.ts'

export interface KnownGateway extends GatewayRef, GatewayAddress {
  plantId: string
  lifecycle: Lifecycle
}

const gatewaysOf = (db: Kysely<Database>, tenantId: string) =>
  db
    .selectFrom('gateways')
    .innerJoin('plants', 'plants.id', 'gateways.plant_id')
    .innerJoin('tenants', 'tenants.id', 'gateways.tenant_id')
    .select(['gateways.tenant_id as tenantId', 'gateways.id as gatewayId', 'gateways.thing_name as thingName'])
    .select(['gateways.plant_id as plantId', 'gateways.lifecycle', 'plants.province', 'plants.slug as plant'])
    .select('tenants.slug as tenant')
    .where('gateways.tenant_id', '=', tenantId)

/** Undefined when there is none of that name that the user may see. */
export function findKnownGateway(
  db: Kysely<Database>,
  { tenantId, plantAccess }: { tenantId: string; plantAccess: PlantAccess },
  thingName: string,
): Promise<KnownGateway | undefined> {
  return inTenant(db, tenantId, (transaction) =>
    gatewaysOf(transaction, tenantId)
      .where('gateways.thing_name', '=', thingName)
      .where(visiblePlant(plantAccess, 'gateways.plant_id'))
      .executeTakeFirst(),
  )
}

/** Where the gateway stands now. Undefined when it is gone, or its company is disabled. */
export function findGatewayById(db: Kysely<Database>, { tenantId, gatewayId }: GatewayRef) {
  return inTenant(db, tenantId, (transaction) =>
    gatewaysOf(transaction, tenantId)
      .where('gateways.id', '=', gatewayId)
      .where('tenants.disabled_at', 'is', null)
      .executeTakeFirst(),
  )
}

/** The gateway learns of it when it asks. False for one that has no certificate to replace. */
export async function requestRotation(
  transaction: Transaction<Database>,
  by: Author,
  { gatewayId, thingName, plantId }: Pick<KnownGateway, 'gatewayId' | 'thingName' | 'plantId'>,
): Promise<boolean> {
  const gateway = await transaction
    .selectFrom('gateways')
    .select('lifecycle')
    .where('tenant_id', '=', by.tenantId)
    .where('id', '=', gatewayId)
    .forUpdate()
    .executeTakeFirst()
  if (gateway === undefined || gateway.lifecycle === 'created' || gateway.lifecycle === 'revoked') return false
  if (gateway.lifecycle === 'rotating') return true
  await setLifecycle(transaction, by.tenantId, gatewayId, 'rotating')
  const entry = { ...by, plantId, action: 'gateway.rotate', subject: thingName }
  await writeAudit(transaction, {
    ...entry,
    before: { lifecycle: gateway.lifecycle },
    after: { lifecycle: 'rotating' },
  })
  return true
}

/**
 * Ends all that the gateway could get in with: its certificates are to be removed from AWS IoT, its tokens work no more. From here
 * on it is revoked; whoever removes them goes on after a crash. `forGood`: it is to be deleted.
 */
export function revokeGateway(
  db: Kysely<Database>,
  by: Author,
  { gatewayId, thingName, plantId }: KnownGateway,
  forGood: boolean,
): Promise<void> {
  return inTenant(db, by.tenantId, async (transaction) => {
    const now = Date.now()
    const before = await transaction
      .selectFrom('gateways')
      .select(['lifecycle', 'delete_requested_at'])
      .where('tenant_id', '=', by.tenantId)
      .where('id', '=', gatewayId)
      .forUpdate()
      .executeTakeFirst()
    if (before === undefined) return
    await setLifecycle(transaction, by.tenantId, gatewayId, 'revoked')
    if (forGood) {
      await transaction
        .updateTable('gateways')
        .set({ delete_requested_at: now })
        .where('tenant_id', '=', by.tenantId)
        .where('id', '=', gatewayId)
        .execute()
    }
    await endCertificates(transaction, { tenantId: by.tenantId, gatewayId }, [])
    await transaction
      .updateTable('enrolments')
      .set({ expires_at: now })
      .where('tenant_id', '=', by.tenantId)
      .where('gateway_id', '=', gatewayId)
      .where('expires_at', '>', now)
      .execute()
    const isNews = forGood ? before.delete_requested_at === null : before.lifecycle !== 'revoked'
    if (!isNews) return
    const entry = { ...by, plantId, action: forGood ? 'gateway.delete' : 'gateway.revoke', subject: thingName }
    await writeAudit(transaction, { ...entry, before: { lifecycle: before.lifecycle } })
  })
}

/** All of the gateway's certificates but those of the keys are to be removed from AWS IoT. Returns how many that are. */
export async function endCertificates(
  transaction: Transaction<Database>,
  { tenantId, gatewayId }: GatewayRef,
  keepKeys: Buffer[],
): Promise<number> {
  const { numUpdatedRows } = await transaction
    .updateTable('gateway_certificates')
    .set({ state: 'ending' })
    .where('tenant_id', '=', tenantId)
    .where('gateway_id', '=', gatewayId)
    .where('state', '<>', 'ending')
    .where(sql<boolean>`key_hash <> all(${keepKeys}::bytea[])`)
    .executeTakeFirst()
  return Number(numUpdatedRows)
}

/** `movedAt`: until some time after it, what comes under the plant of before is taken as well. */
export function moveGateway(
  db: Kysely<Database>,
  by: Author,
  { gatewayId, thingName, plantId }: KnownGateway,
  to: { plantId: string; slug: string },
  movedAt: number,
): Promise<void> {
  return inTenant(db, by.tenantId, async (transaction) => {
    await transaction
      .updateTable('gateways')
      .set({ plant_id: to.plantId, previous_plant_id: plantId, moved_at: movedAt })
      .where('tenant_id', '=', by.tenantId)
      .where('id', '=', gatewayId)
      .execute()
    const entry = { ...by, plantId: to.plantId, action: 'gateway.move', subject: thingName }
    await writeAudit(transaction, { ...entry, before: { plantId }, after: { plantId: to.plantId } })
  })
}

/** The last step of a deletion, when nothing of it is left in AWS IoT. */
export async function removeGateway(db: Kysely<Database>, { tenantId, gatewayId }: GatewayRef): Promise<void> {
  await inTenant(db, tenantId, (transaction) =>
    transaction.deleteFrom('gateways').where('tenant_id', '=', tenantId).where('id', '=', gatewayId).execute(),
  )
}

async function setLifecycle(db: Kysely<Database>, tenantId: string, gatewayId: string, lifecycle: Lifecycle) {
  await db
    .updateTable('gateways')
    .set({ lifecycle })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', gatewayId)
    .execute()
}
