import * as v from 'valibot'
import { MachinePage, PageQuery } from '../../../schemas/api.ts'
import { listMachines } from '../../data/live-machines.ts'
import { findPlant } from '../../data/plants.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { pageOf, readCursor } from '../cursor.ts'
import { notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/plants/{plantId}/machines',
  operationId: 'listMachines',
  summary: 'Machines of a plant with their current state, by slug',
  params: v.object({ plantId: v.pipe(v.string(), v.uuid()) }),
  query: PageQuery,
  answer: { status: 200, schema: MachinePage },
  async handle({ params: { plantId }, query: { limit, cursor }, services, user }) {
    const page = { limit: limit + 1, after: readCursor(cursor) }
    const machines = await inTenant(services.db, user.tenantId, async (transaction) => {
      const plant = await findPlant(transaction, user.tenantId, user.plantAccess, plantId)
      if (plant === undefined) throw notFound()
      return listMachines(transaction, user.tenantId, plantId, page)
    })
    return pageOf(machines, limit, (machine) => machine.slug)
  },
})
