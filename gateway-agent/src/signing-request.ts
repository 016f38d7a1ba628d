// @peculiar/x509 needs it first.
import 'reflect-metadata'
import { createPrivateKey, generateKeyPairSync, webcrypto, type KeyObject } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'
import { Failure, messageOf } from './failure.ts'
import type { IdentityFiles } from './identity.ts'
import { writeWhole } from './write-whole.ts'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const

export interface SigningRequest {
  privateKey: KeyObject
  /** PKCS#10 in PEM. The cloud knows who asks, so its subject says nothing. */
  csr: string
}

/**
 * The key and the signing request in the folder `files`, made the first time. Both are on the disk (the key 0600) before
 * anything is sent, so that a request that is repeated, even by the next process, is the same one: the cloud then gives
 * the same certificate. The key never leaves this computer.
 */
export async function prepareSigningRequest(files: IdentityFiles): Promise<SigningRequest> {
  try {
    mkdirSync(files.directory, { recursive: true, mode: 0o700 })
    const privateKey = privateKeyIn(files.privateKey)
    if (!existsSync(files.request)) writeWhole(files.request, await requestFor(privateKey))
    return { privateKey, csr: readFileSync(files.request, 'utf8') }
  } catch (error) {
    throw new Failure(`${files.directory}: cannot keep a private key: ${messageOf(error)}; run as the agent's user`, 1)
  }
}

function privateKeyIn(file: string): KeyObject {
  if (existsSync(file)) return createPrivateKey(readFileSync(file))
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: ALGORITHM.namedCurve })
  writeWhole(file, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
  return privateKey
}

async function requestFor(privateKey: KeyObject): Promise<string> {
  const { d, ...publicKey } = privateKey.export({ format: 'jwk' })
  const keys = {
    privateKey: await webcrypto.subtle.importKey('jwk', { ...publicKey, d }, ALGORITHM, false, ['sign']),
    publicKey: await webcrypto.subtle.importKey('jwk', publicKey, ALGORITHM, true, ['verify']),
  }
  const csr = await Pkcs10CertificateRequestGenerator.create({
    name: 'CN=gateway',
    keys,
    signingAlgorithm: { ...ALGORITHM, hash: 'SHA-256' },
  })
  return csr.toString('pem')
}
