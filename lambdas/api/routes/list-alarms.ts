import { AlarmPage, AlarmQuery } from '../../../schemas/alarm-requests.ts'
import { listAlarms } from '../../data/alarms.ts'
import { findPlant } from '../../data/plants.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { pageOf } from '../cursor.ts'
import { notFound } from '../problem.ts'
import { readTimes } from '../read-times.ts'
import { userRoute } from '../route.ts'
import { readTimeCursor, timeKey } from '../time-cursor.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/alarms',
  operationId: 'listAlarms',
  summary: 'Alarms of the user’s plants, newest first; those that are open if nothing else is asked for',
  query: AlarmQuery,
  answer: { status: 200, schema: AlarmPage },
  async handle({ query: { limit, cursor, ...filter }, services, user: { tenantId, plantAccess } }) {
    readTimes(filter)
    const page = { limit: limit + 1, after: readTimeCursor(cursor) }
    const alarms = await inTenant(services.db, tenantId, async (transaction) => {
      const { plantId } = filter
      if (plantId !== undefined && !(await findPlant(transaction, tenantId, plantAccess, plantId))) throw notFound()
      return listAlarms(transaction, tenantId, plantAccess, filter, page)
    })
    return pageOf(alarms, limit, ({ raisedAt: at, alarmId: id }) => timeKey({ at, id }))
  },
})
