import { AlarmCounts } from '../../../schemas/alarm-requests.ts'
import { countAlarms } from '../../data/alarms.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/alarm-counts',
  operationId: 'countAlarms',
  summary: 'How many alarms are open, by plant, severity and state',
  answer: { status: 200, schema: AlarmCounts },
  async handle({ services, user: { tenantId, plantAccess } }) {
    const items = await inTenant(services.db, tenantId, (transaction) =>
      countAlarms(transaction, tenantId, plantAccess),
    )
    return { items }
  },
})
