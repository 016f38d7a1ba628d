import type { IoTClient } from '@aws-sdk/client-iot'
import type { Kysely } from 'kysely'
import type { Database } from '../data/database.ts'
import { dropCertificate, endingCertificates } from '../data/gateway-certificates.ts'
import type { GatewayRef } from '../data/gateway-lease.ts'
import { certificatesOfKey, findCertificate, removeCertificate } from './certificate.ts'

/** Removes the certificates that are to end from AWS IoT, and forgets each when it is gone. Goes on where an earlier call stopped. */
export async function removeEndingCertificates(
  { db, iot }: { db: Kysely<Database>; iot: IoTClient },
  gateway: GatewayRef & { thingName: string },
): Promise<void> {
  for (const { keyHash, certificateId, requestedAt } of await endingCertificates(db, gateway)) {
    const found =
      certificateId === null
        ? await certificatesOfKey(iot, keyHash, requestedAt)
        : [await findCertificate(iot, certificateId)].filter((certificate) => certificate !== undefined)
    for (const certificate of found) await removeCertificate(iot, gateway.thingName, certificate)
    await dropCertificate(db, gateway, keyHash)
  }
}
