import * as v from 'valibot'
import { DeadLetterPage, DeadLetterQuery } from '../../../schemas/api.ts'
import { listDeadLetters } from '../../data/dead-letters.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { pageOf, readCursor } from '../cursor.ts'
import { invalidField } from '../problem.ts'
import { userRoute } from '../route.ts'

/** Key of an item, as text: its time, and its id where times are equal. */
const Key = v.pipe(
  v.string(),
  v.regex(/^\d{1,15} [0-9a-f-]{36}$/),
  v.transform((text) => text.split(' ') as [string, string]),
  v.transform(([at, id]) => ({ quarantinedAt: Number(at), id })),
  v.object({ quarantinedAt: v.number(), id: v.pipe(v.string(), v.uuid()) }),
)

export const route = userRoute({
  method: 'GET',
  path: '/v1/dead-letters',
  operationId: 'listDeadLetters',
  summary: 'Messages that were not accepted, newest first; from and to are of quarantinedAt',
  query: DeadLetterQuery,
  answer: { status: 200, schema: DeadLetterPage },
  async handle({ query: { limit, cursor, ...filter }, services, user }) {
    const page = { limit: limit + 1, after: readKey(readCursor(cursor)) }
    const letters = await inTenant(services.db, user.tenantId, (transaction) =>
      listDeadLetters(transaction, user.tenantId, user.plantAccess, filter, page),
    )
    return pageOf(letters, limit, ({ quarantinedAt, id }) => `${quarantinedAt} ${id}`)
  },
})

function readKey(after: string | undefined) {
  if (after === undefined) return undefined
  const key = v.safeParse(Key, after)
  if (!key.success) throw invalidField('cursor', 'must be of this list')
  return key.output
}
