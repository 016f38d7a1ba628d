import { RedriveAnswer, RedriveRequest } from '../../../schemas/api.ts'
import { requestRedriveByPlant } from '../../data/dead-letters.ts'
import { writeAudit } from '../../data/write-audit.ts'
import { notFound } from '../problem.ts'
import { changeRoute } from '../route.ts'

/** All of the chosen ones or none: when one is not there, nothing is changed. */
export const route = changeRoute({
  method: 'POST',
  path: '/v1/dead-letters/redrive',
  operationId: 'redriveDeadLetters',
  summary: 'Sends dead letters, chosen ones or all of a code, through ingest again, within minutes',
  body: RedriveRequest,
  answer: { status: 202, schema: RedriveAnswer },
  async handle({ body: { ids, code }, requestId, user: { tenantId, userId, plantAccess }, transaction }) {
    const chosen = ids === undefined ? { code: code! } : { ids: [...new Set(ids)] }
    const requested = await requestRedriveByPlant(transaction, tenantId, plantAccess, chosen)
    const accepted = requested.reduce((sum, { count }) => sum + count, 0)
    if (chosen.ids !== undefined && accepted < chosen.ids.length) throw notFound()
    // An entry for each plant, so that its own people see it, and nothing of others.
    for (const { plantId, count, ids: ofPlant } of requested) {
      const action = { plantId, action: 'dead_letter.redrive', subject: code ?? `${count} chosen` }
      const after = { ...(code === undefined ? { ids: ofPlant } : { code }), count }
      await writeAudit(transaction, { tenantId, userId, requestId, ...action, after })
    }
    return { accepted }
  },
})
