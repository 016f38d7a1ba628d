import * as v from 'valibot'
import { isStorable } from '../../schemas/telemetry.ts'
import { readCursor } from './cursor.ts'
import { invalidField } from './problem.ts'

/** Place in a list that goes by name, and by id where names are equal. */
export interface NameAndId {
  name: string
  id: string
}

const Key = v.pipe(
  v.string(),
  v.parseJson(),
  v.tuple([v.pipe(v.string(), v.check(isStorable)), v.pipe(v.string(), v.uuid())]),
)

/** Throws ApiError (400) for a cursor of another list. */
export function readNameCursor(cursor: string | undefined): NameAndId | undefined {
  const after = readCursor(cursor)
  if (after === undefined) return undefined
  const key = v.safeParse(Key, after)
  if (!key.success) throw invalidField('cursor', 'must be of this list')
  return { name: key.output[0], id: key.output[1] }
}

export const nameKey = ({ name, id }: NameAndId) => JSON.stringify([name, id])
