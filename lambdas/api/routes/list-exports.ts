import { ExportPage, ExportsQuery } from '../../../schemas/exports.ts'
import { listExports } from '../../data/exports.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { pageOf } from '../cursor.ts'
import { userRoute } from '../route.ts'
import { readTimeCursor, timeKey } from '../time-cursor.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/exports',
  operationId: 'listExports',
  summary: 'Exports of the last weeks of the machines that the user may see, newest first',
  query: ExportsQuery,
  answer: { status: 200, schema: ExportPage },
  async handle({ query: { limit, cursor, machineId }, services, user: { tenantId, plantAccess } }) {
    const page = { limit: limit + 1, after: readTimeCursor(cursor) }
    const exports = await inTenant(services.db, tenantId, (transaction) =>
      listExports(transaction, tenantId, plantAccess, machineId, page),
    )
    return pageOf(exports, limit, ({ createdAt: at, exportId: id }) => timeKey({ at, id }))
  },
})
