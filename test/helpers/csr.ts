import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'

type KeyAlgorithm = (webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams) & { hash: string }

export const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
export const rsa = (modulusLength: number) => ({
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength,
})

/** PKCS#10 in PEM, signed by a new key of the given kind. */
export async function createCsr(algorithm: KeyAlgorithm = P256): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const csr = await Pkcs10CertificateRequestGenerator.create({
    name: 'CN=whatever',
    keys,
    signingAlgorithm: algorithm,
  })
  return csr.toString('pem')
}
