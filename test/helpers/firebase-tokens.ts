import 'reflect-metadata'
import { KeyObject, sign, webcrypto } from 'node:crypto'
import { X509CertificateGenerator } from '@peculiar/x509'

export const PROJECT = 'demo-iot-telemetry'

/** Claims of an ID token as Firebase gives them; `overrides` make it wrong. */
export function claims(uid: string, overrides: Record<string, unknown> = {}): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000)
  return {
    iss: `https://securetoken.google.com/${PROJECT}`,
    aud: PROJECT,
    auth_time: now - 60,
    iat: now - 60,
    exp: now + 3600,
    sub: uid,
    user_id: uid,
    email: `${uid}@example.com`,
    ...overrides,
  }
}

/** As the emulator gives it: without signature. */
export function unsignedToken(payload: Record<string, unknown>): string {
  return `${encode({ alg: 'none', typ: 'JWT' })}.${encode(payload)}.`
}

export interface TokenSigner {
  /** PEM, as Google publishes it for `kid`. */
  certificate: string
  kid: string
  token: (payload: Record<string, unknown>) => string
}

export async function createSigner(kid: string): Promise<TokenSigner> {
  const algorithm = {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    publicExponent: new Uint8Array([1, 0, 1]),
    modulusLength: 2048,
  }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=securetoken',
    keys,
    signingAlgorithm: algorithm,
  })
  const privateKey = KeyObject.from(keys.privateKey)
  return {
    certificate: certificate.toString('pem'),
    kid,
    token(payload) {
      const signed = `${encode({ alg: 'RS256', typ: 'JWT', kid })}.${encode(payload)}`
      return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), privateKey).toString('base64url')}`
    },
  }
}

const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url')
