import { MAX_FOUND, SearchAnswer, SearchQuery } from '../../../schemas/api.ts'
import { findByText } from '../../data/find-by-text.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/search',
  operationId: 'search',
  summary: 'Plants, machines and gateways with a text in their names',
  query: SearchQuery,
  answer: { status: 200, schema: SearchAnswer },
  async handle({ query: { text }, services, user: { tenantId, plantAccess } }) {
    const items = await inTenant(services.db, tenantId, (transaction) =>
      findByText(transaction, tenantId, plantAccess, text, MAX_FOUND),
    )
    return { items }
  },
})
