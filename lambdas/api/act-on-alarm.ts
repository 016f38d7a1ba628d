import type { Alarm } from '../../schemas/alarms.ts'
import { changedAlarms, findAlarm } from '../data/alarms.ts'
import { announceAlarms } from '../data/announce-alarms.ts'
import { type AlarmAction, changeAlarm } from '../data/change-alarm.ts'
import { authorOf } from './alarm-plants.ts'
import { ApiError, notFound } from './problem.ts'
import type { ChangeCall } from './route.ts'
import type * as v from 'valibot'

type Call = Pick<
  ChangeCall<v.GenericSchema, v.GenericSchema, v.GenericSchema>,
  'user' | 'requestId' | 'transaction' | 'services' | 'afterCommit'
> & {
  params: { alarmId: string }
}

/** One person's act on one alarm. Throws ApiError: 404, or 409 for an alarm that is history. */
export async function act(call: Call, action: AlarmAction): Promise<Alarm> {
  const { user, transaction, params } = call
  const isThere = await changeAlarm(transaction, authorOf(call), user.plantAccess, params.alarmId, {
    ...action,
    change(before, now) {
      if (before.closed_at !== null) throw new ApiError('conflict', 'The alarm is over: it was closed.')
      return action.change(before, now)
    },
  })
  if (!isThere) throw notFound()
  const [changed] = await changedAlarms(transaction, [params.alarmId])
  call.afterCommit(() => announceAlarms(call.services, [changed!]))
  return (await findAlarm(transaction, user.tenantId, user.plantAccess, params.alarmId))!
}

/** Of an alarm that nobody keeps from view any more. */
export const NOT_SUPPRESSED = {
  ...{ suppressed: null, suppressed_since: null, suppressed_until: null },
  ...{ suppressed_reason: null, suppressed_by: null },
} as const
