import * as v from 'valibot'
import { isStorable } from '../../schemas/telemetry.ts'
import { invalidField } from './problem.ts'

/** What `nextCursor` holds: the key of the last item given. The next page begins after it, whatever was inserted since. */
const Cursor = v.strictObject({ after: v.pipe(v.string(), v.check(isStorable)) })

/** Throws ApiError (400) for what no `nextCursor` has been. */
export function readCursor(cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined
  try {
    return v.parse(Cursor, JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))).after
  } catch {
    throw invalidField('cursor', 'must be the nextCursor of an earlier answer')
  }
}

/** A page out of rows that were read with one more than the limit, which tells whether there is a next page. */
export function pageOf<Row>(rows: Row[], limit: number, keyOf: (row: Row) => string) {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  const nextCursor =
    rows.length > limit && last !== undefined
      ? Buffer.from(JSON.stringify({ after: keyOf(last) })).toString('base64url')
      : null
  return { items, nextCursor }
}
