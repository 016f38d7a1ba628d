import * as v from 'valibot'
import { DeadLetter, DiscardRequest } from '../../../schemas/api.ts'
import { discardDeadLetter } from '../../data/dead-letters.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { writeAudit } from '../../data/write-audit.ts'
import { notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'DELETE',
  path: '/v1/dead-letters/{id}',
  operationId: 'discardDeadLetter',
  summary: 'Discards a dead letter for good; the audit log keeps what it was, and the reason',
  params: v.object({ id: v.pipe(v.string(), v.uuid()) }),
  body: DiscardRequest,
  answer: { status: 200, schema: DeadLetter },
  handle({ params: { id }, body: { reason }, requestId, services, user }) {
    const { tenantId, userId, plantAccess } = user
    return inTenant(services.db, tenantId, async (transaction) => {
      const before = await discardDeadLetter(transaction, tenantId, plantAccess, id)
      if (before === undefined) throw notFound()
      const action = { action: 'dead_letter.discard', subject: id }
      await writeAudit(transaction, { tenantId, userId, requestId, ...action, before, after: { reason } })
      return before
    })
  },
})
