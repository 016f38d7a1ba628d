import * as v from 'valibot'
import { UserAccount } from '../../../schemas/people.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { findAccount } from '../../data/users.ts'
import { userVersion } from '../object-versions.ts'
import { notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/users/{userId}',
  operationId: 'getUser',
  summary: 'A person of the company',
  params: v.object({ userId: v.pipe(v.string(), v.uuid()) }),
  answer: { status: 200, schema: UserAccount },
  version: userVersion,
  async handle({ params: { userId }, services, user: { tenantId, plantAccess } }) {
    const found = await inTenant(services.db, tenantId, (transaction) =>
      findAccount(transaction, tenantId, plantAccess, userId),
    )
    if (found === undefined) throw notFound()
    return found.account
  },
})
