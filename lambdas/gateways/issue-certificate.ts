import { X509Certificate } from 'node:crypto'
import type { IoTClient } from '@aws-sdk/client-iot'
import type { Kysely } from 'kysely'
import type { Database } from '../data/database.ts'
import {
  forgetCertificate,
  requestCertificate,
  storeCertificate,
  type StoredCertificate,
} from '../data/gateway-certificates.ts'
import type { GatewayRef } from '../data/gateway-lease.ts'
import { withUndo } from '../runtime/with-undo.ts'
import {
  activateCertificate,
  attachCertificate,
  certificatesOfKey,
  createCertificate,
  removeCertificate,
} from './certificate.ts'

export interface SigningRequest {
  pem: string
  keyHash: Buffer
}

/**
 * The gateway's certificate for this key: the one that is there, the one that AWS IoT has made without its answer having
 * arrived, or a new one. After a failure nothing is left of it; after a crash the next call with the same key goes on.
 * Undefined when the key cannot be used. Run it with the gateway's lease.
 */
export async function issueCertificate(
  { db, iot }: { db: Kysely<Database>; iot: IoTClient },
  gateway: GatewayRef & { thingName: string },
  { pem, keyHash }: SigningRequest,
  requestId: string,
): Promise<StoredCertificate | undefined> {
  const { thingName } = gateway
  const request = await requestCertificate(db, gateway, keyHash)
  if (request === undefined || request.certificate !== undefined) return request?.certificate
  const startedAt = Date.now()
  const made = request.requestedAt === undefined ? [] : await certificatesOfKey(iot, keyHash, request.requestedAt)

  return withUndo(async (onFailure) => {
    onFailure('remove the certificate', async () => {
      const lost = made.length > 0 ? made : await certificatesOfKey(iot, keyHash, startedAt)
      for (const certificate of lost) await removeCertificate(iot, thingName, certificate)
    })
    const certificate = made[0] ?? (await createCertificate(iot, pem))
    if (made.length === 0) made.push(certificate)
    else await activateCertificate(iot, certificate)
    await attachCertificate(iot, thingName, certificate)

    onFailure('forget the certificate', () => forgetCertificate(db, gateway, keyHash))
    const expiresAt = new X509Certificate(certificate.pem).validToDate.getTime()
    await storeCertificate(db, gateway, keyHash, { ...certificate, expiresAt }, { thingName, requestId })
    return { id: certificate.id, pem: certificate.pem }
  })
}
