import { type Kysely, sql } from 'kysely'
import type { Lifecycle } from '../../schemas/api.ts'
import type { GatewayAddress } from '../../schemas/topics.ts'
import type { Database } from './database.ts'
import type { GatewayRef } from './gateway-lease.ts'

/** A token lasts an hour: a certificate that was asked for before that, and never stored, is nobody's. */
const ABANDONED_AFTER_MS = 2 * 60 * 60 * 1000

export interface ReconciledGateway extends GatewayRef, GatewayAddress {
  lifecycle: Lifecycle
  isToBeDeleted: boolean
  /** Certificates that are to be removed from AWS IoT. */
  ending: number
  /** Ids of those that it may have there. */
  certificateIds: string[]
  /** Of these the ones that it connects with. */
  validCertificateIds: string[]
  /** AWS IoT was asked for one that is not noted yet. */
  isAsking: boolean
}

/** Of all tenants, those of disabled ones too: they exist at AWS as well. Read it after AWS was: a gateway is first of all a row. */
export async function gatewaysToReconcile(db: Kysely<Database>): Promise<ReconciledGateway[]> {
  const { rows } = await sql<ReconciledGateway>`
    select g.tenant_id as "tenantId", g.id as "gatewayId", g.thing_name as "thingName", g.lifecycle,
      t.slug as tenant, p.province, p.slug as plant, g.delete_requested_at is not null as "isToBeDeleted",
      (select count(*) from gateway_certificates c where c.gateway_id = g.id and c.state = 'ending') as ending,
      array(select c.certificate_id from gateway_certificates c
        where c.gateway_id = g.id and c.certificate_id is not null) as "certificateIds",
      array(select c.certificate_id from gateway_certificates c
        where c.gateway_id = g.id and c.state = 'valid') as "validCertificateIds",
      exists (select from gateway_certificates c
        where c.gateway_id = g.id and c.state = 'requested') as "isAsking"
    from gateways g join plants p on p.id = g.plant_id join tenants t on t.id = g.tenant_id
    order by g.thing_name`.execute(db)
  return rows
}

/** Certificates that AWS IoT was asked for and that were never stored are to be removed. */
export async function endAbandonedCertificates(db: Kysely<Database>, now: number): Promise<void> {
  await db
    .updateTable('gateway_certificates')
    .set({ state: 'ending' })
    .where('state', '=', 'requested')
    .where('requested_at', '<', now - ABANDONED_AFTER_MS)
    .execute()
}
