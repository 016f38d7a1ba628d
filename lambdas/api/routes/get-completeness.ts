import { CompletenessQuery, CompletenessSummary } from '../../../schemas/api.ts'
import { readCompleteness } from '../../data/completeness.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { visiblePlant } from '../../data/visible-plants.ts'
import { readTimes } from '../read-times.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/completeness',
  operationId: 'getCompleteness',
  summary: 'How much of the readings of the user’s plants is stored, with the worst machines',
  query: CompletenessQuery,
  answer: { status: 200, schema: CompletenessSummary },
  async handle({ query, services, user: { tenantId, plantAccess } }) {
    const machines = visiblePlant(plantAccess, 'machines.plant_id')
    const asked = { tenantId, machines, ...readTimes(query), now: Date.now() }
    return inTenant(services.db, tenantId, (transaction) => readCompleteness(transaction, asked, query.limit))
  },
})
