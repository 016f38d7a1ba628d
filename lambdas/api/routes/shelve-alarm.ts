import * as v from 'valibot'
import { MAX_SHELF_DAYS, ShelveAlarm } from '../../../schemas/alarm-requests.ts'
import { Alarm } from '../../../schemas/alarms.ts'
import { act } from '../act-on-alarm.ts'
import { ApiError, invalidField } from '../problem.ts'
import { changeRoute } from '../route.ts'

export const route = changeRoute({
  method: 'POST',
  path: '/v1/alarms/{alarmId}/shelve',
  operationId: 'shelveAlarm',
  summary: 'Keeps an alarm from view until a moment; again sets another end',
  params: v.object({ alarmId: v.pipe(v.string(), v.uuid()) }),
  body: ShelveAlarm,
  answer: { status: 200, schema: Alarm },
  handle: (call) => {
    const { until, reason } = call.body
    return act(call, {
      ...{ event: 'shelved', verb: 'shelve', text: reason },
      change({ suppressed }, now) {
        if (until <= now) throw invalidField('until', 'must be in the future')
        if (until > now + MAX_SHELF_DAYS * 86_400_000)
          throw invalidField('until', `must be within ${MAX_SHELF_DAYS} days`)
        if (suppressed === 'out_of_service') throw new ApiError('conflict', 'The alarm is out of service.')
        return {
          ...{ suppressed: 'shelved', suppressed_since: now, suppressed_until: until },
          ...{ suppressed_reason: reason, suppressed_by: call.user.email },
        }
      },
    })
  },
})
