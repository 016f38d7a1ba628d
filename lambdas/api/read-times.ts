import type { TimeQuery } from '../../schemas/api.ts'
import { invalidField } from './problem.ts'

/** Throws ApiError (400) when the range of time is empty. */
export function readTimes({ from, to }: TimeQuery): { from: number | undefined; to: number | undefined } {
  if (from !== undefined && to !== undefined && from >= to) throw invalidField('to', 'must be after from')
  return { from, to }
}
