import * as v from 'valibot'
import {
  AlarmCounts,
  AlarmEventPage,
  AlarmPage,
  AlarmRule,
  AlarmRulePage,
  AlarmTrial,
  AlarmWebhook,
  AlarmWebhookPage,
  CreatedAlarmWebhook,
  NotificationChoice,
} from '../../../schemas/alarm-requests.ts'
import type {
  AlarmEvent,
  AlarmFilter,
  ChangeAlarmRule,
  CreateAlarmRule,
  CreateAlarmWebhook,
  TryAlarmRule,
} from '../../../schemas/alarm-requests.ts'
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
  tryAlarmRule(rule: TryAlarmRule): Promise<AlarmTrial>
  alarmWebhooks(): Promise<AlarmWebhook[]>
  createAlarmWebhook(webhook: CreateAlarmWebhook): Promise<CreatedAlarmWebhook>
  changeAlarmWebhook(webhookId: string, change: CreateAlarmWebhook): Promise<AlarmWebhook>
  /** What came of it, the list says some seconds later. */
  testAlarmWebhook(webhookId: string): Promise<void>
  deleteAlarmWebhook(webhookId: string): Promise<void>
  notificationChoice(): Promise<NotificationChoice>
  changeNotificationChoice(choice: NotificationChoice): Promise<NotificationChoice>
}

export function createAlarmsApi(client: ApiClient): AlarmsApi {
  const alarm = (alarmId: string) => `/v1/alarms/${alarmId}`
  const webhook = (webhookId: string) => `/v1/alarm-webhooks/${webhookId}`
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
    tryAlarmRule: (given) => client.query(AlarmTrial, '/v1/alarm-rule-trials', given),
    alarmWebhooks: () => allItems((page) => client.get(AlarmWebhookPage, `/v1/alarm-webhooks${page({})}`)),
    createAlarmWebhook: (given) => client.post(CreatedAlarmWebhook, '/v1/alarm-webhooks', given),
    changeAlarmWebhook: (webhookId, change) => client.patch(AlarmWebhook, webhook(webhookId), change),
    testAlarmWebhook: (webhookId) => client.post(v.undefined(), `${webhook(webhookId)}/test`),
    deleteAlarmWebhook: (webhookId) => client.delete(v.undefined(), webhook(webhookId)),
    notificationChoice: () => client.get(NotificationChoice, '/v1/me/notifications'),
    changeNotificationChoice: (choice) => client.patch(NotificationChoice, '/v1/me/notifications', choice),
  }
}
