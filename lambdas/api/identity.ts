import { createPublicKey, verify, X509Certificate } from 'node:crypto'
import type { IdentityRequest } from '../../schemas/api.ts'
import { signedText } from '../../schemas/identity.ts'
import { findValidCertificate, type HeldCertificate } from '../data/certificate-renewal.ts'
import { logger } from '../runtime/frame.ts'
import { guardSecret } from './guessing.ts'
import { ApiError } from './problem.ts'
import type { Services } from './services.ts'

/**
 * The gateway whose certificate's key has signed the request. Throws ApiError: 401 for whatever is wrong with it, the same for
 * all, and 429 after too many of those from one address.
 */
export async function identify(
  services: Services,
  verb: Parameters<typeof signedText>[0],
  request: IdentityRequest & { csr?: string },
  sourceIp: string,
): Promise<HeldCertificate> {
  return guardSecret(services, sourceIp, invalidIdentity, async () => {
    const held = await findValidCertificate(services.db, request.certificateId)
    if (held === undefined || held.thingName !== request.thingName) return undefined
    logger.appendKeys({ gateway: held.thingName })
    const key = createPublicKey(
      new X509Certificate(held.certificatePem).publicKey.export({ type: 'spki', format: 'pem' }),
    )
    const signature = Buffer.from(request.signature, 'base64')
    return verify('sha256', Buffer.from(signedText(verb, request)), key, signature) ? held : undefined
  })
}

function invalidIdentity(): ApiError {
  return new ApiError(
    'invalid_identity',
    'No gateway has this certificate, or its key has not signed this. A revoked gateway must be enrolled again.',
  )
}
