import 'reflect-metadata'
import { createPrivateKey, webcrypto, type KeyObject } from 'node:crypto'
import {
  BasicConstraintsExtension,
  Pkcs10CertificateRequest,
  type PublicKey,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
  X509CrlGenerator,
} from '@peculiar/x509'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const HOUR_MS = 3_600_000

const keyPair = () => webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
const keyObject = async (key: webcrypto.CryptoKey) =>
  createPrivateKey({ key: Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)), format: 'der', type: 'pkcs8' })

export interface Validity {
  notBefore: Date
  notAfter: Date
}

/** Of a certificate that need not be replaced while the agent is measured: that costs memory. */
export const validForAYear = (): Validity => ({
  notBefore: new Date(),
  notAfter: new Date(Date.now() + 365 * 24 * HOUR_MS),
})

export interface Issued {
  certificatePem: string
  privateKey: KeyObject
}

export interface TestAuthority {
  caPem: string
  /** Valid from an hour ago for two hours, unless it is said. */
  issue: (commonName: string, validity?: Validity) => Promise<Issued>
  signRequest: (csrPem: string, commonName: string, validity?: Validity) => Promise<string>
  /** Revocation list (PEM) that names these certificates. */
  revoke: (certificatePems: string[]) => Promise<string>
}

/** A certificate authority that lives as long as the test. */
export async function createAuthority(): Promise<TestAuthority> {
  const keys = await keyPair()
  const validity: Validity = { notBefore: new Date(Date.now() - HOUR_MS), notAfter: new Date(Date.now() + HOUR_MS) }
  const ca: X509Certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=Test CA',
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
    ...validity,
  })
  const certify = async (publicKey: webcrypto.CryptoKey | PublicKey, commonName: string, valid: Validity = validity) =>
    X509CertificateGenerator.create({
      subject: `CN=${commonName}`,
      issuer: ca.subject,
      publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [new SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])],
      ...valid,
    })
  return {
    caPem: ca.toString('pem'),
    async issue(commonName, valid) {
      const own = await keyPair()
      const certificate = await certify(own.publicKey, commonName, valid)
      return { certificatePem: certificate.toString('pem'), privateKey: await keyObject(own.privateKey) }
    },
    async signRequest(csrPem, commonName, valid) {
      const request = new Pkcs10CertificateRequest(csrPem)
      if (!(await request.verify())) throw new Error('the signature of the CSR is wrong')
      const certificate = await certify(request.publicKey, commonName, valid)
      return certificate.toString('pem')
    },
    async revoke(certificatePems) {
      const list = await X509CrlGenerator.create({
        issuer: ca.subject,
        signingKey: keys.privateKey,
        signingAlgorithm: ALGORITHM,
        thisUpdate: validity.notBefore,
        nextUpdate: validity.notAfter,
        entries: certificatePems.map((pem) => ({
          serialNumber: new X509Certificate(pem).serialNumber,
          revocationDate: validity.notBefore,
        })),
      })
      // Its own label is CRL, which OpenSSL does not know.
      return list.toString('pem').replaceAll(' CRL-', ' X509 CRL-')
    },
  }
}
