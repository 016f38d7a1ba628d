import { createHash, randomBytes } from 'node:crypto'

/**
 * 256 bits: an enrolment token or a ticket. Only its hash is stored. In hex, because base64url may begin with a dash,
 * and a command line takes that for an option.
 */
export function newSecret(): string {
  return randomBytes(32).toString('hex')
}

export function sha256(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}
