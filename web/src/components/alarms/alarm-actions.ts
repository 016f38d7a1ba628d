import type { Alarm } from '../../../../schemas/alarms.ts'
import type { Permission } from '../../../../schemas/permissions.ts'

export type AlarmAction = 'acknowledge' | 'shelve' | 'unshelve' | 'outOfService' | 'returnToService'

/** It waits for somebody to acknowledge it. */
export const isUnseen = ({ closedAt, suppression, state }: Alarm): boolean =>
  closedAt === null && suppression === null && (state === 'unacknowledged' || state === 'returned')

/** What this person can do with an alarm now, the most likely first. */
export function actionsOn(alarm: Alarm, may: (permission: Permission) => boolean): AlarmAction[] {
  if (alarm.closedAt !== null) return []
  if (alarm.suppression?.kind === 'out_of_service') return may('manage') ? ['returnToService'] : []
  const actions: AlarmAction[] = []
  if (may('acknowledge')) {
    if (isUnseen(alarm)) actions.push('acknowledge')
    actions.push(alarm.suppression ? 'unshelve' : 'shelve')
  }
  if (may('manage')) actions.push('outOfService')
  return actions
}
