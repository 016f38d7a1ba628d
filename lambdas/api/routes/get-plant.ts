import * as v from 'valibot'
import { Plant } from '../../../schemas/api.ts'
import { findPlant, readPlant } from '../../data/plants.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { plantVersion } from '../object-versions.ts'
import { notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/plants/{plantId}',
  operationId: 'getPlant',
  summary: 'A plant with the numbers of its machines and gateways',
  params: v.object({ plantId: v.pipe(v.string(), v.uuid()) }),
  answer: { status: 200, schema: Plant },
  version: plantVersion,
  handle: ({ params: { plantId }, services, user: { tenantId, plantAccess } }) =>
    inTenant(services.db, tenantId, async (transaction) => {
      if (!(await findPlant(transaction, tenantId, plantAccess, plantId))) throw notFound()
      return readPlant(transaction, tenantId, plantId)
    }),
})
