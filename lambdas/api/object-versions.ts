/** What people change of each kind of object: what its ETag is made of. */
import type { AlarmWebhook, CreateAlarmRule, NotificationChoice } from '../../schemas/alarm-requests.ts'
import type { Machine, Plant } from '../../schemas/api.ts'
import type { UserAccount } from '../../schemas/people.ts'

export const plantVersion = ({ name, timeZone }: Pick<Plant, 'name' | 'timeZone'>) => [name, timeZone]

export const machineVersion = ({ name, status }: Pick<Machine, 'name' | 'status'>) => [name, status]

export const userVersion = ({
  role,
  plantAccess,
  disabled,
}: Pick<UserAccount, 'role' | 'plantAccess' | 'disabled'>) => [
  role,
  plantAccess === 'all' ? plantAccess : plantAccess.toSorted(),
  disabled,
]

export const alarmWebhookVersion = ({ name, url, plantId, severityFrom, enabled }: AlarmWebhook) => [
  ...[name, url, plantId, severityFrom, enabled],
]

export const notificationsVersion = ({ emailFrom, emailWhenCleared, quietHours }: NotificationChoice) => [
  ...[emailFrom, emailWhenCleared],
  quietHours && [quietHours.from, quietHours.to, quietHours.timeZone, quietHours.exceptFrom],
]

export const alarmRuleVersion = (rule: CreateAlarmRule) => [
  ...[rule.name, rule.plantId, rule.machine, rule.tag, rule.condition, rule.delayOnMs, rule.delayOffMs],
  ...[rule.severity, rule.message, rule.enabled],
]
