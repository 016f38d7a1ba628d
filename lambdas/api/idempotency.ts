/**
 * `Idempotency-Key` of writes (draft-ietf-httpapi-idempotency-key-header): a repeat of a request gets the first one's answer, and
 * what it asks for is done once. Only successes are remembered: a request that was refused has changed nothing.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import type { Kysely } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../data/database.ts'
import type { User } from '../data/find-user.ts'
import { claimKey, keepAnswer, type KeyedRequest } from '../data/idempotency-keys.ts'
import { sha256 } from './one-time-secret.ts'
import { ApiError, invalidField } from './problem.ts'
import type { Route } from './route.ts'

type Answer = APIGatewayProxyStructuredResultV2

export interface Keyed extends KeyedRequest {
  key: string
}

/** Undefined when the request has no key, or reads only. Throws ApiError (400) for what is no key. */
export function readKey(route: Route, user: User, event: APIGatewayProxyEventV2): Keyed | undefined {
  const header = event.headers['idempotency-key']
  if (header === undefined || route.method === 'GET') return undefined
  // The draft has it in quotes (a structured field string), many clients send it without.
  const key = /^"?([\x21\x23-\x7e]{1,255})"?$/.exec(header)?.[1]
  if (key === undefined) throw invalidField('Idempotency-Key', 'must be 1 to 255 visible characters, such as a UUID')
  const { tenantId, userId } = user
  const request = createHash('sha256')
    .update(`${event.rawPath}?${event.rawQueryString}\n${event.body ?? ''}`)
    .digest()
  const hashes = { keySha256: sha256(key), requestSha256: request }
  return { key, tenantId, userId, operation: route.operationId, ...hashes, newId: uuidv7() }
}

/** The answer given before, or the id for what the request creates, which now is this call's to work on. Throws ApiError (409, 422). */
export async function beginKeyed(db: Kysely<Database>, keyed: Keyed): Promise<{ newId: string } | { answer: Answer }> {
  const claim = await claimKey(db, keyed)
  switch (claim.state) {
    case 'begin':
      return { newId: claim.id }
    case 'answered': {
      const answer = JSON.parse(decrypt(keyed.key, claim.answer)) as Answer
      return { answer: { ...answer, headers: { ...answer.headers, 'idempotency-replayed': 'true' } } }
    }
    case 'running':
      throw new ApiError('request_in_progress', 'Repeat it in some seconds to get its answer.', {
        headers: { 'retry-after': '5' },
      })
    case 'other request':
      throw new ApiError('idempotency_key_reused', 'Use a new key for each request, and the same one to repeat it.')
  }
}

export const endKeyed = (db: Kysely<Database>, keyed: Keyed, answer: Answer): Promise<void> =>
  keepAnswer(db, keyed, encrypt(keyed.key, JSON.stringify(answer)))

const CIPHER = 'aes-256-gcm'
const IV_BYTES = 12
const TAG_BYTES = 16

/** Whoever reads the database finds no enrolment token in it: only the caller has the key. */
function encrypt(key: string, text: string): Buffer {
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv(CIPHER, cipherKey(key), iv)
  const encrypted = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([iv, cipher.getAuthTag(), encrypted])
}

function decrypt(key: string, bytes: Buffer): string {
  const decipher = createDecipheriv(CIPHER, cipherKey(key), bytes.subarray(0, IV_BYTES))
  decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES))
  return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8')
}

/** Not the stored hash of the key. */
const cipherKey = (key: string): Buffer => Buffer.from(hkdfSync('sha256', key, '', 'answer of an Idempotency-Key', 32))
