// @peculiar/x509 needs the Reflect metadata API when it is loaded.
import 'reflect-metadata'
import { Pkcs10CertificateRequest } from '@peculiar/x509'
import * as v from 'valibot'
import type { SigningRequest } from '../gateways/issue-certificate.ts'
import { keyHashOfSpki } from '../gateways/key-hash.ts'
import { ApiError } from './problem.ts'

const AllowedKey = v.union([
  v.object({ name: v.literal('ECDSA'), namedCurve: v.literal('P-256') }),
  v.object({ name: v.literal('RSASSA-PKCS1-v1_5'), modulusLength: v.pipe(v.number(), v.minValue(2048)) }),
])

/**
 * Returns the request again as PEM, without whatever stood around it, and its key's hash. Its subject is not looked at: the
 * certificate's rights come from what it is attached to. Throws ApiError (400) that says what is wrong.
 */
export async function checkCsr(pem: string): Promise<SigningRequest> {
  const request = await readRequest(pem)
  if (request === undefined)
    throw invalidCsr('It is no PKCS#10 request in PEM, or its signature is not by its own key.')
  if (!v.is(AllowedKey, request.publicKey.algorithm)) {
    throw invalidCsr('Its key must be EC P-256 or RSA of at least 2048 bits.')
  }
  return { pem: request.toString('pem'), keyHash: keyHashOfSpki(Buffer.from(request.publicKey.rawData)) }
}

async function readRequest(pem: string): Promise<Pkcs10CertificateRequest | undefined> {
  try {
    const request = new Pkcs10CertificateRequest(pem)
    return (await request.verify()) ? request : undefined
  } catch {
    // The library throws errors of many kinds at bytes that are no request, and at algorithms it does not know.
    return undefined
  }
}

/** Of another gateway, or of a certificate that is about to end. */
export function keyInUse(): ApiError {
  return invalidCsr('Its key has been used before. Make a new key.')
}

function invalidCsr(detail: string): ApiError {
  return new ApiError('invalid_csr', detail, { fields: [{ path: 'csr', message: detail }] })
}
