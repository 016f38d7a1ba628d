import { RedriveAnswer, RedriveRequest } from '../../../schemas/api.ts'
import { requestRedrive } from '../../data/dead-letters.ts'
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
    const accepted = await requestRedrive(transaction, tenantId, plantAccess, chosen)
    if (chosen.ids !== undefined && accepted < chosen.ids.length) throw notFound()
    const action = { action: 'dead_letter.redrive', subject: code ?? `${accepted} chosen` }
    await writeAudit(transaction, { tenantId, userId, requestId, ...action, after: { ...chosen, count: accepted } })
    return { accepted }
  },
})
