import * as v from 'valibot'
import { ChangePlant, Plant } from '../../../schemas/api.ts'
import { changePlant } from '../../data/change-plant.ts'
import { readPlant } from '../../data/plants.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'PATCH',
  path: '/v1/plants/{plantId}',
  operationId: 'changePlant',
  summary: "Changes a plant's name or time zone; its slugs never change",
  params: v.object({ plantId: v.pipe(v.string(), v.uuid()) }),
  body: ChangePlant,
  answer: { status: 200, schema: Plant },
  handle({ params: { plantId }, body, requestId, services, user: { tenantId, userId, plantAccess } }) {
    return inTenant(services.db, tenantId, async (transaction) => {
      const isThere = await changePlant(transaction, { tenantId, userId, requestId }, plantAccess, plantId, body)
      if (!isThere) throw notFound()
      return readPlant(transaction, tenantId, plantId)
    })
  },
})
