/** The gateway's own part in the replacement of its certificate. */
import { type Kysely, sql } from 'kysely'
import type { Database } from './database.ts'
import { endCertificates } from './gateway-lifecycle.ts'
import type { GatewayRef } from './gateway-lease.ts'
import { inTenant } from './tenant-transaction.ts'
import { writeAudit } from './write-audit.ts'

export interface HeldCertificate extends GatewayRef {
  thingName: string
  certificatePem: string
}

/** By the function that row security does not bind: the certificate tells which tenant's it is. Only while it is valid. */
export async function findValidCertificate(
  db: Kysely<Database>,
  certificateId: string,
): Promise<HeldCertificate | undefined> {
  const { rows } = await sql<HeldCertificate>`
    select tenant_id as "tenantId", gateway_id as "gatewayId", thing_name as "thingName", certificate_pem as "certificatePem"
    from find_certificate(${certificateId}) where state = 'valid'`.execute(db)
  return rows[0]
}

/** Of the certificates there are two at most: that of the key which asks, and that of the key asked for. */
export function beginRenewal(db: Kysely<Database>, gateway: GatewayRef, keys: { present: Buffer; next: Buffer }) {
  return inTenant(db, gateway.tenantId, async (transaction) => {
    await endCertificates(transaction, gateway, [keys.present, keys.next])
    await transaction
      .updateTable('gateways')
      .set({ lifecycle: 'rotating' })
      .where('tenant_id', '=', gateway.tenantId)
      .where('id', '=', gateway.gatewayId)
      .where('lifecycle', 'in', ['enrolled', 'active'])
      .execute()
  })
}

/** The key's certificate is the only one from now on. Once more, it changes nothing. */
export function confirmCertificate(
  db: Kysely<Database>,
  gateway: GatewayRef & { thingName: string },
  keyHash: Buffer,
  requestId: string,
): Promise<void> {
  const { tenantId, gatewayId, thingName } = gateway
  return inTenant(db, tenantId, async (transaction) => {
    const ended = await endCertificates(transaction, gateway, [keyHash])
    if (ended === 0) return
    await transaction
      .updateTable('gateways')
      .set({ lifecycle: sql`case when last_seen_at is null then 'enrolled' else 'active' end` })
      .where('tenant_id', '=', tenantId)
      .where('id', '=', gatewayId)
      .where('lifecycle', '=', 'rotating')
      .execute()
    const { plantId } = await transaction
      .selectFrom('gateways')
      .select('plant_id as plantId')
      .where('tenant_id', '=', tenantId)
      .where('id', '=', gatewayId)
      .executeTakeFirstOrThrow()
    const entry = { tenantId, plantId, userId: null, requestId }
    await writeAudit(transaction, { ...entry, action: 'gateway.confirm', subject: thingName })
  })
}
