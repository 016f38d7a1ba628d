import * as v from 'valibot'
import { History, HistoryQuery } from '../../../schemas/api.ts'
import { readHistory } from '../../data/history.ts'
import { findMachine } from '../../data/live-machines.ts'
import { DAY_MS } from '../../data/partitions.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { invalidField, notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/machines/{machineId}/history',
  operationId: 'getHistory',
  summary: 'History of one tag, in at most so many buckets with their least and greatest values',
  params: v.object({ machineId: v.pipe(v.string(), v.uuid()) }),
  query: HistoryQuery,
  answer: { status: 200, schema: History },
  async handle({ params: { machineId }, query, services, user }) {
    const { db, hotRetentionDays, historyRetentionDays } = services
    if (query.from >= query.to) throw invalidField('to', 'must be after from')
    if (query.to - query.from > historyRetentionDays * DAY_MS)
      throw invalidField('from', `must be at most ${historyRetentionDays} days before to: history is kept for so long`)
    return inTenant(db, user.tenantId, async (transaction) => {
      const machine = await findMachine(transaction, user.tenantId, user.plantAccess, machineId)
      if (machine === undefined) throw notFound()
      return readHistory(transaction, { ...query, tenantId: user.tenantId, machineId, hotRetentionDays })
    })
  },
})
