import * as v from 'valibot'
import { MachineTagPage, PageQuery } from '../../../schemas/api.ts'
import { findMachine } from '../../data/live-machines.ts'
import { listTags } from '../../data/machine-tags.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { pageOf, readCursor } from '../cursor.ts'
import { notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/machines/{machineId}/tags',
  operationId: 'listTags',
  summary: 'Tags of a machine with kind, unit and newest value, by name',
  params: v.object({ machineId: v.pipe(v.string(), v.uuid()) }),
  query: PageQuery,
  answer: { status: 200, schema: MachineTagPage },
  async handle({ params: { machineId }, query: { limit, cursor }, services, user }) {
    const page = { limit: limit + 1, after: readCursor(cursor) }
    const tags = await inTenant(services.db, user.tenantId, async (transaction) => {
      const machine = await findMachine(transaction, user.tenantId, user.plantAccess, machineId)
      if (machine === undefined) throw notFound()
      return listTags(transaction, user.tenantId, machineId, page)
    })
    return pageOf(tags, limit, ({ tag }) => tag)
  },
})
