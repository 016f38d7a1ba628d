import * as v from 'valibot'
import { Trends, TREND, TrendsOf } from '../../../schemas/api.ts'
import { findPlant } from '../../data/plants.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { readTrends } from '../../data/trends.ts'
import { notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'POST',
  path: '/v1/plants/{plantId}/trends',
  operationId: 'readTrends',
  summary: 'Coarse courses of tags over the 10 minutes before the newest reading of each machine; changes nothing',
  params: v.object({ plantId: v.pipe(v.string(), v.uuid()) }),
  body: TrendsOf,
  answer: { status: 200, schema: Trends },
  async handle({ params: { plantId }, body, services, user }) {
    const items = await inTenant(services.db, user.tenantId, async (transaction) => {
      const plant = await findPlant(transaction, user.tenantId, user.plantAccess, plantId)
      return plant && readTrends(transaction, user.tenantId, plantId, body)
    })
    if (items === undefined) throw notFound()
    return { stepMs: TREND.stepMs, items }
  },
})
