import { type AuditEntry, AuditPage, AuditQuery } from '../../../schemas/people.ts'
import { listAudit } from '../../data/list-audit.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { csv } from '../../runtime/csv.ts'
import { pageOf } from '../cursor.ts'
import { readTimes } from '../read-times.ts'
import { OtherContent, userRoute } from '../route.ts'
import { readTimeCursor, timeKey } from '../time-cursor.ts'

/**
 * A page is bounded, as CSV too: `x-next-cursor` names the next one, and only the first has a line of headings, so that
 * pages put one behind the other are one file.
 */
export const route = userRoute({
  method: 'GET',
  path: '/v1/audit',
  operationId: 'listAudit',
  summary: 'Who has changed what and when, newest first; with `Accept: text/csv` as CSV',
  query: AuditQuery,
  answer: { status: 200, schema: AuditPage, otherContent: 'text/csv' },
  async handle({ query: { limit, cursor, ...filter }, accept, services, user }) {
    readTimes(filter)
    const page = { limit: limit + 1, after: readTimeCursor(cursor) }
    const entries = await inTenant(services.db, user.tenantId, (transaction) =>
      listAudit(transaction, user.tenantId, user.plantAccess, filter, page),
    )
    const { items, nextCursor } = pageOf(entries, limit, timeKey)
    if (!accept.includes('text/csv')) return { items, nextCursor }
    return new OtherContent(
      'text/csv; charset=utf-8',
      csv([...(cursor === undefined ? [HEADINGS] : []), ...items.map(line)]),
      {
        'content-disposition': 'attachment; filename="audit.csv"',
        ...(nextCursor !== null && { 'x-next-cursor': nextCursor }),
      },
    )
  },
})

const HEADINGS = ['time', 'user', 'action', 'subject', 'before', 'after', 'request']

const json = (value: unknown) => (value === null ? null : JSON.stringify(value))

const line = (entry: AuditEntry) => [
  new Date(entry.at).toISOString(),
  entry.email ?? entry.userId,
  ...[entry.action, entry.subject, json(entry.before), json(entry.after), entry.requestId],
]
