import type { Kysely } from 'kysely'
import type { Database } from './database.ts'
import type { Enrolment } from './enrolments.ts'
import { inTenant } from './tenant-transaction.ts'
import { writeAudit } from './write-audit.ts'

interface Enrolled {
  thingName: string
  certificateId: string
  requestId: string
}

/** Throws when the gateway has got a certificate by another token in the meantime. */
export function storeCertificate(
  db: Kysely<Database>,
  { tenantId, gatewayId }: Enrolment,
  { thingName, certificateId, requestId }: Enrolled,
): Promise<void> {
  return inTenant(db, tenantId, async (transaction) => {
    await transaction
      .updateTable('gateways')
      .set({ lifecycle: 'enrolled', certificate_id: certificateId })
      .where('tenant_id', '=', tenantId)
      .where('id', '=', gatewayId)
      .where('lifecycle', '=', 'created')
      .returning('id')
      .executeTakeFirstOrThrow(() => new Error(`${thingName} is no longer waiting for its certificate`))
    await writeAudit(transaction, {
      tenantId,
      userId: null,
      requestId,
      action: 'gateway.enrol',
      subject: thingName,
      after: { certificateId },
    })
  })
}

/** For when the answer to storeCertificate was lost. Does nothing when the gateway has another certificate, or none. */
export async function forgetCertificate(
  db: Kysely<Database>,
  { tenantId, gatewayId }: Enrolment,
  certificateId: string,
): Promise<void> {
  await inTenant(db, tenantId, (transaction) =>
    transaction
      .updateTable('gateways')
      .set({ lifecycle: 'created', certificate_id: null })
      .where('tenant_id', '=', tenantId)
      .where('id', '=', gatewayId)
      .where('certificate_id', '=', certificateId)
      .execute(),
  )
}
