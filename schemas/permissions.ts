/**
 * Who may do what (DESIGN section 8), in one place: the routes, the live socket, the OpenAPI document, the web app and the
 * tests read this file, and docs/permissions.md shows what came of it. Whatever names a plant, or something in one, is limited to
 * the plants of the user's plantAccess as well, and everything to the user's company: of others it answers 404.
 */
import * as v from 'valibot'

export const Role = v.picklist(['viewer', 'plant_operator', 'manager', 'admin'])
export type Role = v.InferOutput<typeof Role>

export const PERMISSIONS = {
  /** Plants, machines, live values, history, alarms, gateways. */
  see: ['viewer', 'plant_operator', 'manager', 'admin'],
  /** Alarms: acknowledge, shelve. */
  acknowledge: ['plant_operator', 'manager', 'admin'],
  /** Exports, alarm rules, alarms out of service, machines: add, approve, rename, retire. */
  manage: ['manager', 'admin'],
  /** Plants, gateways, users, dead letters, audit log, webhooks of alarms. */
  administer: ['admin'],
} as const satisfies Record<string, readonly Role[]>

export const Permission = v.picklist(Object.keys(PERMISSIONS) as (keyof typeof PERMISSIONS)[])
export type Permission = v.InferOutput<typeof Permission>

/** Routes for a user, by operationId. */
export const OPERATIONS = {
  getMe: 'see',
  changeMe: 'see',
  signOutMe: 'see',
  search: 'see',
  listPlants: 'see',
  getPlant: 'see',
  createPlant: 'administer',
  changePlant: 'administer',
  listMachines: 'see',
  getMachine: 'see',
  createMachine: 'manage',
  changeMachine: 'manage',
  changeMachines: 'manage',
  listTags: 'see',
  getHistory: 'see',
  readTrends: 'see',
  listEvents: 'see',
  getMachineCompleteness: 'see',
  getMachineCompletenessStrip: 'see',
  getPlantCompleteness: 'see',
  getCompleteness: 'see',
  createExport: 'manage',
  listExports: 'manage',
  getExport: 'manage',
  listGateways: 'see',
  getGateway: 'see',
  listGatewayConnections: 'see',
  createGateway: 'administer',
  bundleGateway: 'administer',
  rotateGateway: 'administer',
  revokeGateway: 'administer',
  moveGateway: 'administer',
  deleteGateway: 'administer',
  listDeadLetters: 'administer',
  listDeadLetterGroups: 'administer',
  redriveDeadLetters: 'administer',
  discardDeadLetter: 'administer',
  listUsers: 'administer',
  createUser: 'administer',
  getUser: 'administer',
  changeUser: 'administer',
  inviteUser: 'administer',
  signOutUser: 'administer',
  listAudit: 'administer',
  listAlarms: 'see',
  countAlarms: 'see',
  getAlarm: 'see',
  listAlarmEvents: 'see',
  acknowledgeAlarm: 'acknowledge',
  shelveAlarm: 'acknowledge',
  unshelveAlarm: 'acknowledge',
  takeAlarmOutOfService: 'manage',
  returnAlarmToService: 'manage',
  listAlarmRules: 'manage',
  getAlarmRule: 'manage',
  createAlarmRule: 'manage',
  changeAlarmRule: 'manage',
  deleteAlarmRule: 'manage',
  tryAlarmRule: 'manage',
  listAlarmWebhooks: 'administer',
  getAlarmWebhook: 'administer',
  createAlarmWebhook: 'administer',
  changeAlarmWebhook: 'administer',
  deleteAlarmWebhook: 'administer',
  testAlarmWebhook: 'administer',
  getMyNotifications: 'see',
  changeMyNotifications: 'see',
  createTicket: 'see',
} as const satisfies Record<string, Permission>
export type Operation = keyof typeof OPERATIONS

/** Routes that ask for no user, with what lets a caller in instead. */
export const OPEN_OPERATIONS = {
  enrol: 'a one-time token',
  checkIdentity: 'a signature by the gateway’s key',
  renewIdentity: 'a signature by the gateway’s key',
  confirmIdentity: 'a signature by the gateway’s new key',
  getHealth: 'nothing',
  getOpenApi: 'nothing',
} as const
export type OpenOperation = keyof typeof OPEN_OPERATIONS

/** Messages of the live socket, by type; what lets the socket itself in is a ticket. */
export const LIVE_MESSAGES = {
  subscribe: 'see',
  unsubscribe: 'see',
  ping: 'see',
} as const satisfies Record<string, Permission>

export function roleMay(role: Role, permission: Permission): boolean {
  const roles: readonly Role[] = PERMISSIONS[permission]
  return roles.includes(role)
}

/** What `/me` tells the page, so that it shows nobody what the API would refuse. */
export const permissionsOf = (role: Role): Permission[] =>
  Permission.options.filter((permission) => roleMay(role, permission))
