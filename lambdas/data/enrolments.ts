import { type Kysely, sql } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import type { GatewayAddress } from '../../schemas/topics.ts'
import type { Database } from './database.ts'
import { inTenant } from './tenant-transaction.ts'
import { writeAudit } from './write-audit.ts'

export interface Enrolment {
  enrolmentId: string
  tenantId: string
  gatewayId: string
  expiresAt: number
}

interface NewToken {
  tenantId: string
  gatewayId: string
  thingName: string
  tokenHash: Buffer
  /** Epoch ms. */
  expiresAt: number
  userId: string
  requestId: string
}

/**
 * Stores the hash of a new token. Earlier tokens of the gateway end with it; a revoked one waits for its enrolment again. Says
 * whether it was enrolled before.
 */
export function addEnrolmentToken(db: Kysely<Database>, token: NewToken): Promise<{ wasEnrolled: boolean }> {
  const { tenantId, gatewayId, userId, requestId, expiresAt } = token
  return inTenant(db, tenantId, async (transaction) => {
    const now = Date.now()
    const { plantId } = await transaction
      .updateTable('gateways')
      .set({ lifecycle: 'created' })
      .where('tenant_id', '=', tenantId)
      .where('id', '=', gatewayId)
      .where('lifecycle', 'in', ['created', 'revoked'])
      .where('delete_requested_at', 'is', null)
      .returning('plant_id as plantId')
      .executeTakeFirstOrThrow(() => new Error(`${token.thingName} does not wait for an enrolment`))
    await transaction
      .updateTable('enrolments')
      .set({ expires_at: now })
      .where('tenant_id', '=', tenantId)
      .where('gateway_id', '=', gatewayId)
      .where('expires_at', '>', now)
      .execute()
    await transaction
      .insertInto('enrolments')
      .values({
        id: uuidv7(),
        tenant_id: tenantId,
        gateway_id: gatewayId,
        token_hash: token.tokenHash,
        expires_at: expiresAt,
        created_at: now,
        created_by: userId,
      })
      .execute()
    await writeAudit(transaction, {
      tenantId,
      userId,
      requestId,
      plantId,
      action: 'gateway.prepare',
      subject: token.thingName,
      after: { expiresAt },
    })
    const used = await transaction
      .selectFrom('enrolments')
      .select('id')
      .where('tenant_id', '=', tenantId)
      .where('gateway_id', '=', gatewayId)
      .where('used_at', 'is not', null)
      .limit(1)
      .executeTakeFirst()
    return { wasEnrolled: used !== undefined }
  })
}

/** By the function that row security does not bind: the token tells which tenant it is. */
export async function findEnrolment(db: Kysely<Database>, tokenHash: Buffer): Promise<Enrolment | undefined> {
  const { rows } = await sql<{ id: string; tenant_id: string; gateway_id: string; expires_at: number }>`
    select * from find_enrolment(${tokenHash})`.execute(db)
  const row = rows[0]
  return row && { enrolmentId: row.id, tenantId: row.tenant_id, gatewayId: row.gateway_id, expiresAt: row.expires_at }
}

/**
 * Binds the token to the key, for good: an answer that was lost can be asked for again, and by nobody else. Undefined when
 * the token has another key or its hour is over, or when the gateway is neither waiting nor enrolled with this very key.
 */
export function claimEnrolment(
  db: Kysely<Database>,
  { tenantId, enrolmentId, gatewayId }: Enrolment,
  keyHash: Buffer,
): Promise<GatewayAddress | undefined> {
  return inTenant(db, tenantId, async (transaction) => {
    const now = Date.now()
    const address = await transaction
      .selectFrom('gateways')
      .innerJoin('plants', 'plants.id', 'gateways.plant_id')
      .innerJoin('tenants', 'tenants.id', 'gateways.tenant_id')
      .select(['tenants.slug as tenant', 'plants.province', 'plants.slug as plant', 'gateways.thing_name as thingName'])
      .where('gateways.tenant_id', '=', tenantId)
      .where('gateways.id', '=', gatewayId)
      .where('tenants.disabled_at', 'is', null)
      .where((eb) =>
        eb.or([
          eb('gateways.lifecycle', '=', 'created'),
          eb.exists(
            eb
              .selectFrom('gateway_certificates as c')
              .select('c.key_hash')
              .whereRef('c.gateway_id', '=', 'gateways.id')
              .where('c.key_hash', '=', keyHash)
              .where('c.state', '=', 'valid'),
          ),
        ]),
      )
      .executeTakeFirst()
    if (address === undefined) return undefined
    const claimed = await transaction
      .updateTable('enrolments')
      .set((eb) => ({
        used_at: eb.fn.coalesce('used_at', eb.val(now)),
        key_hash: keyHash,
      }))
      .where('tenant_id', '=', tenantId)
      .where('id', '=', enrolmentId)
      .where('expires_at', '>', now)
      .where((eb) => eb.or([eb('key_hash', 'is', null), eb('key_hash', '=', keyHash)]))
      .returning('id')
      .executeTakeFirst()
    return claimed && address
  })
}
