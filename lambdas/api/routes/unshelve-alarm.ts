import * as v from 'valibot'
import { Alarm } from '../../../schemas/alarms.ts'
import { act, NOT_SUPPRESSED } from '../act-on-alarm.ts'
import { ApiError } from '../problem.ts'
import { changeRoute } from '../route.ts'

export const route = changeRoute({
  method: 'POST',
  path: '/v1/alarms/{alarmId}/unshelve',
  operationId: 'unshelveAlarm',
  summary: 'Shows a shelved alarm again before its time',
  params: v.object({ alarmId: v.pipe(v.string(), v.uuid()) }),
  answer: { status: 200, schema: Alarm },
  handle: (call) =>
    act(call, {
      ...{ event: 'unshelved', verb: 'unshelve', text: null },
      change({ suppressed }) {
        if (suppressed !== 'shelved') throw new ApiError('conflict', 'The alarm is not shelved.')
        return NOT_SUPPRESSED
      },
    }),
})
