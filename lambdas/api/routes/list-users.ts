import { PageQuery } from '../../../schemas/api.ts'
import { UserAccountPage } from '../../../schemas/people.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { listUsers } from '../../data/users.ts'
import { pageOf, readCursor } from '../cursor.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/users',
  operationId: 'listUsers',
  summary: 'People of the company, by address; an admin of some plants sees those who have no others',
  query: PageQuery,
  answer: { status: 200, schema: UserAccountPage },
  async handle({ query: { limit, cursor }, services, user }) {
    const page = { limit: limit + 1, after: readCursor(cursor) }
    const users = await inTenant(services.db, user.tenantId, (transaction) =>
      listUsers(transaction, user.tenantId, user.plantAccess, page),
    )
    return pageOf(users, limit, ({ email }) => email)
  },
})
