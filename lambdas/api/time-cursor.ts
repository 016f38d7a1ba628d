import * as v from 'valibot'
import { readCursor } from './cursor.ts'
import { invalidField } from './problem.ts'

/** Place in a list that goes by time, and by id where times are equal. */
export interface TimeAndId {
  at: number
  id: string
}

const Key = v.pipe(
  v.string(),
  v.regex(/^\d{1,15} [0-9a-f-]{36}$/),
  v.transform((text) => text.split(' ') as [string, string]),
  v.transform(([at, id]) => ({ at: Number(at), id })),
  v.object({ at: v.number(), id: v.pipe(v.string(), v.uuid()) }),
)

/** Throws ApiError (400) for a cursor of another list. */
export function readTimeCursor(cursor: string | undefined): TimeAndId | undefined {
  const after = readCursor(cursor)
  if (after === undefined) return undefined
  const key = v.safeParse(Key, after)
  if (!key.success) throw invalidField('cursor', 'must be of this list')
  return key.output
}

export const timeKey = ({ at, id }: TimeAndId) => `${at} ${id}`
