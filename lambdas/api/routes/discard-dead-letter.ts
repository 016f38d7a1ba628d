import * as v from 'valibot'
import { DeadLetter, DiscardRequest } from '../../../schemas/api.ts'
import { discardDeadLetter } from '../../data/dead-letters.ts'
import { writeAudit } from '../../data/write-audit.ts'
import { notFound } from '../problem.ts'
import { changeRoute } from '../route.ts'

export const route = changeRoute({
  method: 'DELETE',
  path: '/v1/dead-letters/{id}',
  operationId: 'discardDeadLetter',
  summary: 'Discards a dead letter for good; the audit log keeps what it was, and the reason',
  params: v.object({ id: v.pipe(v.string(), v.uuid()) }),
  body: DiscardRequest,
  answer: { status: 200, schema: DeadLetter },
  async handle({ params: { id }, body: { reason }, requestId, user: { tenantId, userId, plantAccess }, transaction }) {
    const discarded = await discardDeadLetter(transaction, tenantId, plantAccess, id)
    if (discarded === undefined) throw notFound()
    const { letter: before, plantId } = discarded
    const action = { plantId, action: 'dead_letter.discard', subject: id }
    await writeAudit(transaction, { tenantId, userId, requestId, ...action, before, after: { reason } })
    return before
  },
})
