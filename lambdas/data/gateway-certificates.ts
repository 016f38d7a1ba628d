/** Which certificates a gateway has in AWS IoT, is getting, or no longer should have. */
import { type Kysely, sql } from 'kysely'
import type { Database } from './database.ts'
import type { GatewayRef } from './gateway-lease.ts'
import { inTenant } from './tenant-transaction.ts'
import { writeAudit } from './write-audit.ts'

export interface StoredCertificate {
  id: string
  pem: string
}

export interface RequestedCertificate {
  /** Since when AWS IoT may have made one, epoch ms; undefined when it was never asked. */
  requestedAt: number | undefined
  /** When it is there already. */
  certificate: StoredCertificate | undefined
}

/** Notes the key before AWS IoT is asked. Undefined when the key is another gateway's, or its certificate is about to end. */
export function requestCertificate(
  db: Kysely<Database>,
  { tenantId, gatewayId }: GatewayRef,
  keyHash: Buffer,
): Promise<RequestedCertificate | undefined> {
  return inTenant(db, tenantId, async (transaction) => {
    const inserted = await transaction
      .insertInto('gateway_certificates')
      .values({
        ...{ key_hash: keyHash, tenant_id: tenantId, gateway_id: gatewayId },
        ...{ state: 'requested', requested_at: Date.now() },
      })
      .onConflict((conflict) => conflict.column('key_hash').doNothing())
      .returning('key_hash')
      .executeTakeFirst()
    if (inserted !== undefined) return { requestedAt: undefined, certificate: undefined }
    const row = await transaction
      .selectFrom('gateway_certificates')
      .select(['certificate_id as id', 'certificate_pem as pem', 'requested_at as requestedAt'])
      .where('tenant_id', '=', tenantId)
      .where('gateway_id', '=', gatewayId)
      .where('key_hash', '=', keyHash)
      .where('state', '<>', 'ending')
      .executeTakeFirst()
    if (row === undefined) return undefined
    const { id, pem, requestedAt } = row
    return { requestedAt, certificate: id === null || pem === null ? undefined : { id, pem } }
  })
}

/** Puts the certificate in force until `expiresAt` (epoch ms). A gateway that waited for its enrolment is enrolled with it. */
export function storeCertificate(
  db: Kysely<Database>,
  { tenantId, gatewayId }: GatewayRef,
  keyHash: Buffer,
  { id, pem, expiresAt }: StoredCertificate & { expiresAt: number },
  { thingName, requestId }: { thingName: string; requestId: string },
): Promise<void> {
  return inTenant(db, tenantId, async (transaction) => {
    await transaction
      .updateTable('gateway_certificates')
      .set({ state: 'valid', certificate_id: id, certificate_pem: pem, expires_at: expiresAt })
      .where('tenant_id', '=', tenantId)
      .where('gateway_id', '=', gatewayId)
      .where('key_hash', '=', keyHash)
      .where('state', '=', 'requested')
      .returning('key_hash')
      .executeTakeFirstOrThrow(() => new Error(`${thingName} no longer waits for a certificate`))
    const enrolled = await transaction
      .updateTable('gateways')
      .set({ lifecycle: 'enrolled' })
      .where('tenant_id', '=', tenantId)
      .where('id', '=', gatewayId)
      .where('lifecycle', '=', 'created')
      .returning('id')
      .executeTakeFirst()
    const { plantId } = await transaction
      .selectFrom('gateways')
      .select('plant_id as plantId')
      .where('tenant_id', '=', tenantId)
      .where('id', '=', gatewayId)
      .executeTakeFirstOrThrow()
    await writeAudit(transaction, {
      ...{ tenantId, plantId, userId: null, requestId, subject: thingName },
      action: enrolled === undefined ? 'gateway.renew' : 'gateway.enrol',
      after: { certificateId: id },
    })
  })
}

/** For when the answer to storeCertificate was lost, and the certificate is taken back. */
export function forgetCertificate(
  db: Kysely<Database>,
  { tenantId, gatewayId }: GatewayRef,
  keyHash: Buffer,
): Promise<void> {
  return inTenant(db, tenantId, async (transaction) => {
    await transaction
      .updateTable('gateway_certificates')
      .set({ state: 'requested', certificate_id: null, certificate_pem: null, expires_at: null })
      .where('tenant_id', '=', tenantId)
      .where('key_hash', '=', keyHash)
      .execute()
    await transaction
      .updateTable('gateways as g')
      .set({ lifecycle: 'created' })
      .where('tenant_id', '=', tenantId)
      .where('id', '=', gatewayId)
      .where('lifecycle', '=', 'enrolled')
      .where(
        sql<boolean>`not exists (select from gateway_certificates c where c.gateway_id = g.id and c.state = 'valid')`,
      )
      .execute()
  })
}

export interface EndingCertificate {
  keyHash: Buffer
  /** Null when AWS IoT was asked for it and its answer was lost. */
  certificateId: string | null
  requestedAt: number
}

export function endingCertificates(
  db: Kysely<Database>,
  { tenantId, gatewayId }: GatewayRef,
): Promise<EndingCertificate[]> {
  return inTenant(db, tenantId, (transaction) =>
    transaction
      .selectFrom('gateway_certificates')
      .select(['key_hash as keyHash', 'certificate_id as certificateId', 'requested_at as requestedAt'])
      .where('tenant_id', '=', tenantId)
      .where('gateway_id', '=', gatewayId)
      .where('state', '=', 'ending')
      .orderBy('requested_at')
      .execute(),
  )
}

/** When AWS IoT has it no more. */
export async function dropCertificate(db: Kysely<Database>, { tenantId }: GatewayRef, keyHash: Buffer): Promise<void> {
  await inTenant(db, tenantId, (transaction) =>
    transaction
      .deleteFrom('gateway_certificates')
      .where('tenant_id', '=', tenantId)
      .where('key_hash', '=', keyHash)
      .where('state', '=', 'ending')
      .execute(),
  )
}
