/** Secrets of customers that must be read again, kept encrypted (AES-256-GCM) by a key from Secrets Manager that no table holds. */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { readSecret } from './secrets.ts'

const CIPHER = 'aes-256-gcm'
const IV_BYTES = 12
const TAG_BYTES = 16

/** Read once per instance; a failure is not remembered. */
export function sealingKey(secretArn: string): () => Promise<Buffer> {
  let key: Promise<Buffer> | undefined
  return () =>
    (key ??= readSecret(secretArn).then(
      (text) => createHash('sha256').update(text).digest(),
      (error: unknown) => {
        key = undefined
        throw error
      },
    ))
}

/** `owner`: whose secret it is; it opens for nobody else. Returns IV, tag and cipher text, one after the other. */
export function sealSecret(key: Buffer, owner: string, secret: string): Buffer {
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv(CIPHER, key, iv).setAAD(Buffer.from(owner))
  const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()])
  return Buffer.concat([iv, cipher.getAuthTag(), text])
}

/** Throws when it was sealed by another key, for another owner, or has been changed. */
export function openSecret(key: Buffer, owner: string, sealed: Buffer): string {
  const cipher = createDecipheriv(CIPHER, key, sealed.subarray(0, IV_BYTES)).setAAD(Buffer.from(owner))
  cipher.setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES))
  return Buffer.concat([cipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)), cipher.final()]).toString('utf8')
}
