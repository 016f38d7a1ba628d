import { ChangeNotificationChoice, NotificationChoice } from '../../../schemas/alarm-requests.ts'
import { changeNotificationChoice } from '../../data/notification-choices.ts'
import { authorOf } from '../alarm-plants.ts'
import { notificationsVersion } from '../object-versions.ts'
import { changeRoute } from '../route.ts'

export const route = changeRoute({
  method: 'PATCH',
  path: '/v1/me/notifications',
  operationId: 'changeMyNotifications',
  summary: 'Chooses which alarms the user is mailed, and the hours in which not',
  body: ChangeNotificationChoice,
  answer: { status: 200, schema: NotificationChoice },
  version: notificationsVersion,
  handle: (call) =>
    changeNotificationChoice(call.transaction, authorOf(call), call.user.email, (before) => {
      call.mustMatch(notificationsVersion(before))
      return { ...before, ...call.body }
    }),
})
