import { mkdirSync, writeFileSync } from 'node:fs'
import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { identityFiles, type Identity } from '../../../gateway-agent/src/identity.ts'
import type { TestAuthority, Validity } from './test-authority.ts'

export const STATUS_TOPIC = 'ops/granix/ba/norte/gateway/granix-ba-gateway-1/status'

/** AWS IoT's id of a certificate: SHA-256 of its DER. */
export const certificateIdOf = (pem: string) =>
  new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase()

/** The identity that enrolment would have given, for a broker on this computer. */
export async function testIdentity(
  authority: TestAuthority,
  port: number,
  // Nobody answers there.
  apiUrl = 'http://127.0.0.1:1',
  validity?: Validity,
): Promise<Identity> {
  const issued = await authority.issue('granix-ba-gateway-1', validity)
  return {
    ...issued,
    apiUrl,
    certificateId: certificateIdOf(issued.certificatePem),
    thingName: 'granix-ba-gateway-1',
    endpoint: `127.0.0.1:${port}`,
    topics: { telemetry: 'factory/granix/ba/norte/{machine}/telemetry', status: STATUS_TOPIC },
    tenant: 'granix',
    province: 'ba',
    plant: 'norte',
    caPem: authority.caPem,
  }
}

/** What enrolment would have left in `folder/data`. */
export function keepIdentity(folder: string, identity: Identity): void {
  const files = identityFiles(join(folder, 'data'))
  mkdirSync(files.directory, { recursive: true, mode: 0o700 })
  const { certificatePem, caPem, privateKey, ...rest } = identity
  const options = { mode: 0o600 }
  writeFileSync(files.identity, JSON.stringify(rest), options)
  writeFileSync(files.certificate, certificatePem, options)
  writeFileSync(files.ca, caPem, options)
  writeFileSync(files.privateKey, privateKey.export({ type: 'pkcs8', format: 'pem' }), options)
}
