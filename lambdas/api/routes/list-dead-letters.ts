import { DeadLetterPage, DeadLetterQuery } from '../../../schemas/api.ts'
import { listDeadLetters } from '../../data/dead-letters.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { pageOf } from '../cursor.ts'
import { userRoute } from '../route.ts'
import { readTimeCursor, timeKey } from '../time-cursor.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/dead-letters',
  operationId: 'listDeadLetters',
  summary: 'Messages that were not accepted, newest first; from and to are of quarantinedAt',
  query: DeadLetterQuery,
  answer: { status: 200, schema: DeadLetterPage },
  async handle({ query: { limit, cursor, ...filter }, services, user }) {
    const page = { limit: limit + 1, after: readTimeCursor(cursor) }
    const letters = await inTenant(services.db, user.tenantId, (transaction) =>
      listDeadLetters(transaction, user.tenantId, user.plantAccess, filter, page),
    )
    return pageOf(letters, limit, ({ quarantinedAt: at, id }) => timeKey({ at, id }))
  },
})
