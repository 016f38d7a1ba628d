import { createHash, randomBytes } from 'node:crypto'

/** 256 bits, base64url: an enrolment token or a ticket. Only its hash is stored. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url')
}

export function sha256(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}
