import { sql } from 'kysely'
import * as v from 'valibot'
import { CompletenessQuery, CompletenessSummary } from '../../../schemas/api.ts'
import { readCompleteness } from '../../data/completeness.ts'
import { findPlant } from '../../data/plants.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { notFound } from '../problem.ts'
import { readTimes } from '../read-times.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/plants/{plantId}/completeness',
  operationId: 'getPlantCompleteness',
  summary: 'How much of a plant’s readings is stored, with its worst machines',
  params: v.object({ plantId: v.pipe(v.string(), v.uuid()) }),
  query: CompletenessQuery,
  answer: { status: 200, schema: CompletenessSummary },
  async handle({ params: { plantId }, query, services, user: { tenantId, plantAccess } }) {
    const machines = sql<boolean>`machines.plant_id = ${plantId}`
    const asked = { tenantId, machines, ...readTimes(query), now: Date.now() }
    return inTenant(services.db, tenantId, async (transaction) => {
      if (!(await findPlant(transaction, tenantId, plantAccess, plantId))) throw notFound()
      return readCompleteness(transaction, asked, query.limit)
    })
  },
})
