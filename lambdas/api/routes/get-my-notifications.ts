import { NotificationChoice } from '../../../schemas/alarm-requests.ts'
import { readNotificationChoice } from '../../data/notification-choices.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { notificationsVersion } from '../object-versions.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/me/notifications',
  operationId: 'getMyNotifications',
  summary: 'Which alarms the user wants to be mailed',
  answer: { status: 200, schema: NotificationChoice },
  version: notificationsVersion,
  handle: ({ services, user }) =>
    inTenant(services.db, user.tenantId, (transaction) => readNotificationChoice(transaction, user)),
})
