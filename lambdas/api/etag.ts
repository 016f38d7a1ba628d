import { createHash } from 'node:crypto'
import { ApiError } from './problem.ts'

/**
 * Of what people change, and not of the whole answer: a machine's values change each second, and would have everybody's
 * change refused who has looked at them before.
 */
export const etagOf = (version: unknown): string =>
  `"${createHash('sha256').update(JSON.stringify(version)).digest('base64url').slice(0, 22)}"`

/** RFC 9110, 13.1.1. Throws ApiError (412) when the header is there and names another version. */
export function checkIfMatch(ifMatch: string | undefined, version: unknown): void {
  if (ifMatch === undefined || ifMatch.trim() === '*') return
  const wanted = ifMatch.split(',').map((tag) => tag.trim())
  if (wanted.includes(etagOf(version))) return
  throw new ApiError(
    'precondition_failed',
    'Somebody else has changed it since you read it. Read it again, then change it.',
  )
}
