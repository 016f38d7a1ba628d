import * as v from 'valibot'
import {
  AlarmCounts,
  AlarmEventPage,
  AlarmPage,
  AlarmRule,
  AlarmRulePage,
  NotificationChoice,
} from '../../../schemas/alarm-requests.ts'
import type { AlarmEvent, AlarmFilter, ChangeAlarmRule, CreateAlarmRule } from '../../../schemas/alarm-requests.ts'
import { Alarm, type Severity } from '../../../schemas/alarms.ts'
import type { ApiClient } from './client.ts'
import { allItems, queryOf } from './query.ts'

export interface AlarmsAsked {
  readonly state: AlarmFilter
  readonly severity?: Severity | undefined
  readonly plantId?: string | undefined
  readonly machineId?: string | undefined
}

/** The calls about alarms and their rules. */
export interface AlarmsApi {
  /** All of them: of what is open there are not many. */
  alarms(asked: AlarmsAsked): Promise<Alarm[]>
  alarmPage(asked: AlarmsAsked & { limit: number; cursor?: string | undefined }): Promise<AlarmPage>
  alarmCounts(): Promise<AlarmCounts['items']>
  alarmEvents(alarmId: string): Promise<AlarmEvent[]>
  acknowledgeAlarm(alarmId: string, comment: string | null): Promise<Alarm>
  shelveAlarm(alarmId: string, until: number, reason: string): Promise<Alarm>
  unshelveAlarm(alarmId: string): Promise<Alarm>
  takeAlarmOutOfService(alarmId: string, reason: string): Promise<Alarm>
  returnAlarmToService(alarmId: string): Promise<Alarm>
  alarmRules(): Promise<AlarmRule[]>
  createAlarmRule(rule: CreateAlarmRule): Promise<AlarmRule>
  changeAlarmRule(ruleId: string, change: ChangeAlarmRule): Promise<AlarmRule>
  deleteAlarmRule(ruleId: string): Promise<void>
  notificationChoice(): Promise<NotificationChoice>
  changeNotificationChoice(choice: NotificationChoice): Promise<NotificationChoice>
}

export function createAlarmsApi(client: ApiClient): AlarmsApi {
  const alarm = (alarmId: string) => `/v1/alarms/${alarmId}`
  const rule = (ruleId: string) => `/v1/alarm-rules/${ruleId}`
  return {
    alarms: (asked) => allItems((page) => client.get(AlarmPage, `/v1/alarms${page({ ...asked })}`)),
    alarmPage: (asked) => client.get(AlarmPage, `/v1/alarms${queryOf({ ...asked })}`),
    async alarmCounts() {
      return (await client.get(AlarmCounts, '/v1/alarm-counts')).items
    },
    alarmEvents: (alarmId) => allItems((page) => client.get(AlarmEventPage, `${alarm(alarmId)}/events${page({})}`)),
    acknowledgeAlarm: (alarmId, comment) => client.post(Alarm, `${alarm(alarmId)}/acknowledge`, { comment }),
    shelveAlarm: (alarmId, until, reason) => client.post(Alarm, `${alarm(alarmId)}/shelve`, { until, reason }),
    unshelveAlarm: (alarmId) => client.post(Alarm, `${alarm(alarmId)}/unshelve`),
    takeAlarmOutOfService: (alarmId, reason) => client.post(Alarm, `${alarm(alarmId)}/take-out-of-service`, { reason }),
    returnAlarmToService: (alarmId) => client.post(Alarm, `${alarm(alarmId)}/return-to-service`),
    alarmRules: () => allItems((page) => client.get(AlarmRulePage, `/v1/alarm-rules${page({})}`)),
    createAlarmRule: (given) => client.post(AlarmRule, '/v1/alarm-rules', given),
    changeAlarmRule: (ruleId, change) => client.patch(AlarmRule, rule(ruleId), change),
    deleteAlarmRule: (ruleId) => client.delete(v.undefined(), rule(ruleId)),
    notificationChoice: () => client.get(NotificationChoice, '/v1/me/notifications'),
    changeNotificationChoice: (choice) => client.patch(NotificationChoice, '/v1/me/notifications', choice),
  }
}
