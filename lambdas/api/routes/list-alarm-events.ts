import * as v from 'valibot'
import { AlarmEventPage } from '../../../schemas/alarm-requests.ts'
import { PageQuery } from '../../../schemas/api.ts'
import { findAlarm, listAlarmEvents } from '../../data/alarms.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { pageOf } from '../cursor.ts'
import { notFound } from '../problem.ts'
import { userRoute } from '../route.ts'
import { readTimeCursor, timeKey } from '../time-cursor.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/alarms/{alarmId}/events',
  operationId: 'listAlarmEvents',
  summary: 'What has become of an alarm, newest first',
  params: v.object({ alarmId: v.pipe(v.string(), v.uuid()) }),
  query: PageQuery,
  answer: { status: 200, schema: AlarmEventPage },
  async handle({ params: { alarmId }, query: { limit, cursor }, services, user: { tenantId, plantAccess } }) {
    const page = { limit: limit + 1, after: readTimeCursor(cursor) }
    const events = await inTenant(services.db, tenantId, async (transaction) => {
      if (!(await findAlarm(transaction, tenantId, plantAccess, alarmId))) throw notFound()
      return listAlarmEvents(transaction, tenantId, alarmId, page)
    })
    return pageOf(events, limit, timeKey)
  },
})
