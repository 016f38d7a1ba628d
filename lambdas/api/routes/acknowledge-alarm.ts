import * as v from 'valibot'
import { AcknowledgeAlarm } from '../../../schemas/alarm-requests.ts'
import { Alarm } from '../../../schemas/alarms.ts'
import { act } from '../act-on-alarm.ts'
import { changeRoute } from '../route.ts'

export const route = changeRoute({
  method: 'POST',
  path: '/v1/alarms/{alarmId}/acknowledge',
  operationId: 'acknowledgeAlarm',
  summary: 'Says that somebody has seen an alarm; one that has ended is closed by it. Again changes nothing',
  params: v.object({ alarmId: v.pipe(v.string(), v.uuid()) }),
  body: AcknowledgeAlarm,
  answer: { status: 200, schema: Alarm },
  handle: (call) =>
    act(call, {
      ...{ event: 'acknowledged', verb: 'acknowledge', text: call.body.comment },
      change: ({ acknowledged_at }, now) =>
        acknowledged_at === null
          ? { acknowledged_at: now, acknowledged_by: call.user.email, comment: call.body.comment }
          : undefined,
    }),
})
