import 'reflect-metadata'
import { KeyObject, webcrypto } from 'node:crypto'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'

type KeyAlgorithm = (webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams) & { hash: string }

export const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
export const rsa = (modulusLength: number) => ({
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength,
})

/** A new key of the given kind, and a PKCS#10 request that it has signed, both in PEM. */
export async function createKeyAndCsr(algorithm: KeyAlgorithm = P256): Promise<{ key: string; csr: string }> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const csr = await Pkcs10CertificateRequestGenerator.create({
    name: 'CN=whatever',
    keys,
    signingAlgorithm: algorithm,
  })
  const key = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString()
  return { key, csr: csr.toString('pem') }
}

export const createCsr = async (algorithm?: KeyAlgorithm): Promise<string> => (await createKeyAndCsr(algorithm)).csr
