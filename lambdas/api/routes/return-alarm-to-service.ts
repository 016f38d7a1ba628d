import * as v from 'valibot'
import { Alarm } from '../../../schemas/alarms.ts'
import { act, NOT_SUPPRESSED } from '../act-on-alarm.ts'
import { ApiError } from '../problem.ts'
import { changeRoute } from '../route.ts'

export const route = changeRoute({
  method: 'POST',
  path: '/v1/alarms/{alarmId}/return-to-service',
  operationId: 'returnAlarmToService',
  summary: 'Shows an alarm again that was out of service',
  params: v.object({ alarmId: v.pipe(v.string(), v.uuid()) }),
  answer: { status: 200, schema: Alarm },
  handle: (call) =>
    act(call, {
      ...{ event: 'returned_to_service', verb: 'return_to_service', text: null },
      change({ suppressed }) {
        if (suppressed !== 'out_of_service') throw new ApiError('conflict', 'The alarm is not out of service.')
        return NOT_SUPPRESSED
      },
    }),
})
