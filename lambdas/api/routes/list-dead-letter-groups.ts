import { DeadLetterGroups } from '../../../schemas/api.ts'
import { countDeadLetters } from '../../data/dead-letters.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/dead-letter-groups',
  operationId: 'listDeadLetterGroups',
  summary: 'How many messages of each code were not accepted, the most first',
  answer: { status: 200, schema: DeadLetterGroups },
  async handle({ services, user: { tenantId, plantAccess } }) {
    const items = await inTenant(services.db, tenantId, (transaction) =>
      countDeadLetters(transaction, tenantId, plantAccess),
    )
    return { items }
  },
})
