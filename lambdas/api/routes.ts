import { route as changeMachine } from './routes/change-machine.ts'
import { route as changePlant } from './routes/change-plant.ts'
import { route as createGateway } from './routes/create-gateway.ts'
import { route as createTicket } from './routes/create-ticket.ts'
import { route as discardDeadLetter } from './routes/discard-dead-letter.ts'
import { route as bundleGateway } from './routes/bundle-gateway.ts'
import { route as checkIdentity } from './routes/check-identity.ts'
import { route as confirmIdentity } from './routes/confirm-identity.ts'
import { route as deleteGateway } from './routes/delete-gateway.ts'
import { route as moveGateway } from './routes/move-gateway.ts'
import { route as renewIdentity } from './routes/renew-identity.ts'
import { route as revokeGateway } from './routes/revoke-gateway.ts'
import { route as rotateGateway } from './routes/rotate-gateway.ts'
import { route as enrol } from './routes/enrol.ts'
import { route as getGateway } from './routes/get-gateway.ts'
import { route as getCompleteness } from './routes/get-completeness.ts'
import { route as getHealth } from './routes/get-health.ts'
import { route as getHistory } from './routes/get-history.ts'
import { route as getMachineCompleteness } from './routes/get-machine-completeness.ts'
import { route as getMachineCompletenessStrip } from './routes/get-machine-completeness-strip.ts'
import { route as getMachine } from './routes/get-machine.ts'
import { route as getMe } from './routes/get-me.ts'
import { openApiRoute } from './routes/get-openapi.ts'
import { route as listDeadLetterGroups } from './routes/list-dead-letter-groups.ts'
import { route as listDeadLetters } from './routes/list-dead-letters.ts'
import { route as listGatewayConnections } from './routes/list-gateway-connections.ts'
import { route as listEvents } from './routes/list-events.ts'
import { route as getPlant } from './routes/get-plant.ts'
import { route as getPlantCompleteness } from './routes/get-plant-completeness.ts'
import { route as listGateways } from './routes/list-gateways.ts'
import { route as listMachines } from './routes/list-machines.ts'
import { route as listPlants } from './routes/list-plants.ts'
import { route as listTags } from './routes/list-tags.ts'
import { route as redriveDeadLetters } from './routes/redrive-dead-letters.ts'
import { route as readTrends } from './routes/read-trends.ts'
import { route as changeMachines } from './routes/change-machines.ts'
import { route as changeMe } from './routes/change-me.ts'
import { route as changeUser } from './routes/change-user.ts'
import { route as createMachine } from './routes/create-machine.ts'
import { route as createPlant } from './routes/create-plant.ts'
import { route as createUser } from './routes/create-user.ts'
import { route as getUser } from './routes/get-user.ts'
import { route as inviteUser } from './routes/invite-user.ts'
import { route as listAudit } from './routes/list-audit.ts'
import { route as listUsers } from './routes/list-users.ts'
import { route as search } from './routes/search.ts'
import { route as signOutMe } from './routes/sign-out-me.ts'
import { route as signOutUser } from './routes/sign-out-user.ts'
import { route as listAlarms } from './routes/list-alarms.ts'
import { route as countAlarms } from './routes/count-alarms.ts'
import { route as getAlarm } from './routes/get-alarm.ts'
import { route as listAlarmEvents } from './routes/list-alarm-events.ts'
import { route as acknowledgeAlarm } from './routes/acknowledge-alarm.ts'
import { route as shelveAlarm } from './routes/shelve-alarm.ts'
import { route as unshelveAlarm } from './routes/unshelve-alarm.ts'
import { route as takeAlarmOutOfService } from './routes/take-alarm-out-of-service.ts'
import { route as returnAlarmToService } from './routes/return-alarm-to-service.ts'
import { route as listAlarmRules } from './routes/list-alarm-rules.ts'
import { route as getAlarmRule } from './routes/get-alarm-rule.ts'
import { route as createAlarmRule } from './routes/create-alarm-rule.ts'
import { route as changeAlarmRule } from './routes/change-alarm-rule.ts'
import { route as deleteAlarmRule } from './routes/delete-alarm-rule.ts'
import { route as listAlarmWebhooks } from './routes/list-alarm-webhooks.ts'
import { route as getAlarmWebhook } from './routes/get-alarm-webhook.ts'
import { route as createAlarmWebhook } from './routes/create-alarm-webhook.ts'
import { route as changeAlarmWebhook } from './routes/change-alarm-webhook.ts'
import { route as deleteAlarmWebhook } from './routes/delete-alarm-webhook.ts'
import { route as getMyNotifications } from './routes/get-my-notifications.ts'
import { route as changeMyNotifications } from './routes/change-my-notifications.ts'
import { route as testAlarmWebhook } from './routes/test-alarm-webhook.ts'
import { route as createExport } from './routes/create-export.ts'
import { route as getExport } from './routes/get-export.ts'
import { route as listExports } from './routes/list-exports.ts'
import { route as tryAlarmRule } from './routes/try-alarm-rule.ts'
import type { Route } from './route.ts'

/** Every route of the API. The dispatcher, the OpenAPI document and the tests of permissions work from this list. */
export const routes: readonly Route[] = [
  getMe,
  changeMe,
  signOutMe,
  search,
  listPlants,
  getPlant,
  createPlant,
  changePlant,
  listMachines,
  getMachine,
  createMachine,
  changeMachine,
  changeMachines,
  listTags,
  getHistory,
  readTrends,
  listEvents,
  getMachineCompleteness,
  getMachineCompletenessStrip,
  getPlantCompleteness,
  getCompleteness,
  createExport,
  listExports,
  getExport,
  listGateways,
  getGateway,
  listGatewayConnections,
  createGateway,
  bundleGateway,
  rotateGateway,
  revokeGateway,
  moveGateway,
  deleteGateway,
  enrol,
  checkIdentity,
  renewIdentity,
  confirmIdentity,
  listDeadLetters,
  listDeadLetterGroups,
  redriveDeadLetters,
  discardDeadLetter,
  listUsers,
  createUser,
  getUser,
  changeUser,
  inviteUser,
  signOutUser,
  listAudit,
  listAlarms,
  countAlarms,
  getAlarm,
  listAlarmEvents,
  acknowledgeAlarm,
  shelveAlarm,
  unshelveAlarm,
  takeAlarmOutOfService,
  returnAlarmToService,
  listAlarmRules,
  getAlarmRule,
  createAlarmRule,
  changeAlarmRule,
  deleteAlarmRule,
  tryAlarmRule,
  listAlarmWebhooks,
  getAlarmWebhook,
  createAlarmWebhook,
  changeAlarmWebhook,
  deleteAlarmWebhook,
  testAlarmWebhook,
  getMyNotifications,
  changeMyNotifications,
  createTicket,
  getHealth,
  openApiRoute(() => routes),
]
