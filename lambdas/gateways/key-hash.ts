import { createHash, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'

/** SHA-256 of a public key, whichever way it was encoded: what a signing request and its certificate have in common. */
export function keyHashOf(key: KeyObject): Buffer {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
}

export const keyHashOfSpki = (spki: Buffer): Buffer =>
  keyHashOf(createPublicKey({ key: spki, format: 'der', type: 'spki' }))

export const keyHashOfCertificate = (pem: string): Buffer => keyHashOf(new X509Certificate(pem).publicKey)
