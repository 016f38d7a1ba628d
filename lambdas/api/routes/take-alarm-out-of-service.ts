import * as v from 'valibot'
import { TakeOutOfService } from '../../../schemas/alarm-requests.ts'
import { Alarm } from '../../../schemas/alarms.ts'
import { act } from '../act-on-alarm.ts'
import { changeRoute } from '../route.ts'

export const route = changeRoute({
  method: 'POST',
  path: '/v1/alarms/{alarmId}/take-out-of-service',
  operationId: 'takeAlarmOutOfService',
  summary: 'Keeps an alarm from view until somebody returns it to service, for instance during maintenance',
  params: v.object({ alarmId: v.pipe(v.string(), v.uuid()) }),
  body: TakeOutOfService,
  answer: { status: 200, schema: Alarm },
  handle: (call) =>
    act(call, {
      ...{ event: 'out_of_service', verb: 'take_out_of_service', text: call.body.reason },
      change: (_, now) => ({
        ...{ suppressed: 'out_of_service', suppressed_since: now, suppressed_until: null },
        ...{ suppressed_reason: call.body.reason, suppressed_by: call.user.email },
      }),
    }),
})
