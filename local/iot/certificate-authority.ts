/** The local certificate authority: signs the broker's own certificate and those of gateways. P-256, kept in `.local/ca`. */
import 'reflect-metadata'
import { createHash, randomBytes, webcrypto } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as x509 from '@peculiar/x509'

export interface CertificateAuthority {
  caPem: string
  caFile: string
  /** For the broker's TLS listener. */
  server: { certificatePem: string; keyPem: string }
  /** Throws when the request's own signature is wrong. */
  sign(csrPem: string): Promise<{ certificateId: string; certificatePem: string }>
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const YEARS = 10
const { subtle } = webcrypto
x509.cryptoProvider.set(webcrypto)

/** The CA of `folder`, made at the first start: gateways enrolled earlier must trust it still. */
export async function openCertificateAuthority(folder: string): Promise<CertificateAuthority> {
  const caFile = join(folder, 'ca.pem')
  const keyFile = join(folder, 'ca.key')
  if (!existsSync(caFile)) await makeAuthority(folder, caFile, keyFile)
  const ca = new x509.X509Certificate(readFileSync(caFile, 'utf8'))
  const signingKey = await importKey(readFileSync(keyFile, 'utf8'))
  const issue = (subject: string, publicKey: webcrypto.CryptoKey | x509.PublicKey, extensions: x509.Extension[]) =>
    x509.X509CertificateGenerator.create({
      serialNumber: randomBytes(16).toString('hex'),
      subject,
      issuer: ca.subject,
      ...validity(),
      signingKey,
      publicKey,
      signingAlgorithm: ALGORITHM,
      extensions,
    })

  const serverKeys = await subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const names = new x509.SubjectAlternativeNameExtension([
    { type: 'dns', value: 'localhost' },
    { type: 'ip', value: '127.0.0.1' },
    { type: 'ip', value: '::1' },
  ])
  const serverCertificate = await issue('CN=localhost', serverKeys.publicKey, [names])
  return {
    caPem: ca.toString('pem'),
    caFile,
    server: { certificatePem: serverCertificate.toString('pem'), keyPem: await exportKey(serverKeys.privateKey) },
    async sign(csrPem) {
      const csr = new x509.Pkcs10CertificateRequest(csrPem)
      if (!(await csr.verify())) throw new Error('The signature of the certificate signing request is wrong.')
      const certificate = await issue('CN=AWS IoT Certificate', csr.publicKey, [
        new x509.BasicConstraintsExtension(false),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      ])
      return {
        certificateId: certificateId(Buffer.from(certificate.rawData)),
        certificatePem: certificate.toString('pem'),
      }
    },
  }
}

/** AWS IoT's id of a certificate: SHA-256 of its DER. */
export const certificateId = (der: Buffer) => createHash('sha256').update(der).digest('hex')

async function makeAuthority(folder: string, caFile: string, keyFile: string): Promise<void> {
  const keys = await subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomBytes(16).toString('hex'),
    name: 'CN=iot-telemetry local CA',
    ...validity(),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  })
  mkdirSync(folder, { recursive: true })
  writeFileSync(keyFile, await exportKey(keys.privateKey), { mode: 0o600 })
  writeFileSync(caFile, certificate.toString('pem'))
}

function validity(): { notBefore: Date; notAfter: Date } {
  const notBefore = new Date(Date.now() - 3_600_000) // a gateway's clock may be behind
  const notAfter = new Date(notBefore)
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + YEARS)
  return { notBefore, notAfter }
}

const exportKey = async (key: webcrypto.CryptoKey) =>
  x509.PemConverter.encode(await subtle.exportKey('pkcs8', key), 'PRIVATE KEY')

const importKey = (pem: string) =>
  subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(pem), ALGORITHM, false, ['sign'])
