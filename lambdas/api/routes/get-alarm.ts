import * as v from 'valibot'
import { Alarm } from '../../../schemas/alarms.ts'
import { findAlarm } from '../../data/alarms.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/alarms/{alarmId}',
  operationId: 'getAlarm',
  summary: 'An alarm, open or not',
  params: v.object({ alarmId: v.pipe(v.string(), v.uuid()) }),
  answer: { status: 200, schema: Alarm },
  async handle({ params: { alarmId }, services, user: { tenantId, plantAccess } }) {
    const alarm = await inTenant(services.db, tenantId, (transaction) =>
      findAlarm(transaction, tenantId, plantAccess, alarmId),
    )
    if (alarm === undefined) throw notFound()
    return alarm
  },
})
