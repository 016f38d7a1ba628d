/**
 * One call of each route, about the things of a place: it would succeed for an admin of that place. The matrix of permissions, the
 * swap of ids and the fuzzing are made of them, so a new route has to be here.
 *
 * Two examples of a route differ in what they name: it is taken for a reference, which of another plant or company answers 404.
 * What is only to be new each time goes through `fresh`.
 */
import { randomUUID } from 'node:crypto'
import type { OpenOperation, Operation } from '../../schemas/permissions.ts'
import type { Place } from './places.ts'

export interface ExampleCall {
  params?: Record<string, string>
  query?: Record<string, string>
  body?: Record<string, unknown>
}

type MakeCall = (place: Place) => ExampleCall | Promise<ExampleCall>

const FRESH = 'fresh-'
/** A slug that nothing has yet. */
const fresh = () => `${FRESH}${randomUUID().slice(0, 13)}`
export const isFresh = (value: unknown): boolean => typeof value === 'string' && value.startsWith(FRESH)

const ofPlant: MakeCall = ({ plantId }) => ({ params: { plantId } })
const ofMachine: MakeCall = ({ machineId }) => ({ params: { machineId } })
const ofGateway: MakeCall = ({ thingName }) => ({ params: { thingName } })
const ofNewGateway: MakeCall = async ({ newGateway }) => ({ params: { thingName: await newGateway() } })
const ofUser: MakeCall = ({ userId }) => ({ params: { userId } })
const ofAlarm: MakeCall = ({ alarmId }) => ({ params: { alarmId } })
const ofNewAlarm =
  (body?: Record<string, unknown>, suppressed?: 'shelved' | 'out_of_service'): MakeCall =>
  async ({ newAlarm }) => ({ params: { alarmId: await newAlarm(suppressed) }, ...(body && { body }) })
const ofAlarmRule: MakeCall = ({ ruleId }) => ({ params: { ruleId } })
const ofAlarmWebhook: MakeCall = ({ webhookId }) => ({ params: { webhookId } })
const ofNothing: MakeCall = () => ({})

const IN_A_DAY = Date.now() + 86_400_000
const HOT = { tag: 'temperature', condition: { kind: 'above', limit: 80 }, severity: 'high' }
const WRONG_IDENTITY = { thingName: 'nobody', certificateId: '0'.repeat(64), signature: 'AAAA' }

const EXAMPLES: Record<Operation | OpenOperation, MakeCall> = {
  getMe: ofNothing,
  changeMe: () => ({ body: { locale: 'es' } }),
  signOutMe: ofNothing,
  listUsers: ofNothing,
  createUser: ({ plantId }) => ({ body: { email: `${fresh()}@example.com`, role: 'viewer', plantAccess: [plantId] } }),
  getUser: ofUser,
  changeUser: ({ userId }) => ({ params: { userId }, body: { role: 'plant_operator' } }),
  inviteUser: async ({ newUser }) => ({ params: { userId: await newUser() } }),
  signOutUser: ofUser,
  listAudit: ofNothing,
  search: () => ({ query: { text: 'a' } }),
  listPlants: ofNothing,
  createPlant: () => ({ body: { slug: fresh(), province: 'ba', name: 'New', timeZone: 'Europe/Madrid' } }),
  getPlant: ofPlant,
  changePlant: ({ plantId }) => ({ params: { plantId }, body: { timeZone: 'Europe/Madrid' } }),
  listMachines: ofPlant,
  getMachine: ofMachine,
  createMachine: ({ plantId }) => ({ params: { plantId }, body: { slug: fresh() } }),
  changeMachines: ({ machineId }) => ({ body: { machineIds: [machineId], status: 'active' } }),
  changeMachine: ({ machineId }) => ({ params: { machineId }, body: { status: 'active' } }),
  listTags: ofMachine,
  getHistory: ({ machineId }) => ({ params: { machineId }, query: { tag: 'temperature', from: '0', to: '1000' } }),
  readTrends: ({ plantId, machineId }) => ({
    params: { plantId },
    body: { machines: [{ machineId, tags: ['temperature'] }] },
  }),
  listEvents: ofMachine,
  getMachineCompleteness: ofMachine,
  getMachineCompletenessStrip: ({ machineId }) => ({
    params: { machineId },
    query: { from: '0', to: '7200000', cellMs: '3600000' },
  }),
  getPlantCompleteness: ofPlant,
  getCompleteness: ofNothing,
  createExport: ({ machineId }) => ({
    body: { machineId, tags: ['temperature'], from: 0, to: 86_400_000, format: 'csv' },
  }),
  listExports: ofNothing,
  getExport: ({ exportId }) => ({ params: { exportId } }),
  listGateways: ofNothing,
  getGateway: ofGateway,
  listGatewayConnections: ofGateway,
  bundleGateway: async ({ newGateway }) => ({ params: { thingName: await newGateway('created') } }),
  rotateGateway: ofNewGateway,
  revokeGateway: ofNewGateway,
  moveGateway: async ({ newGateway, annexId: plantId }) => ({
    params: { thingName: await newGateway() },
    body: { plantId },
  }),
  deleteGateway: ofNewGateway,
  createGateway: ({ plantId }) => ({ body: { plantId, thingName: fresh() } }),
  listDeadLetters: ofNothing,
  listDeadLetterGroups: ofNothing,
  redriveDeadLetters: ({ deadLetterId }) => ({ body: { ids: [deadLetterId] } }),
  discardDeadLetter: async ({ newDeadLetter }) => ({ params: { id: await newDeadLetter() }, body: { reason: 'seen' } }),
  listAlarms: ofNothing,
  countAlarms: ofNothing,
  getAlarm: ofAlarm,
  listAlarmEvents: ofAlarm,
  acknowledgeAlarm: ofNewAlarm({ comment: 'seen' }),
  shelveAlarm: ofNewAlarm({ until: IN_A_DAY, reason: 'repair' }),
  unshelveAlarm: ofNewAlarm(undefined, 'shelved'),
  takeAlarmOutOfService: ofNewAlarm({ reason: 'repair' }),
  returnAlarmToService: ofNewAlarm(undefined, 'out_of_service'),
  listAlarmRules: ofNothing,
  getAlarmRule: ofAlarmRule,
  createAlarmRule: ({ plantId }) => ({ body: { name: fresh(), plantId, ...HOT } }),
  changeAlarmRule: ({ ruleId }) => ({ params: { ruleId }, body: { severity: 'low' } }),
  deleteAlarmRule: async ({ newAlarmRule }) => ({ params: { ruleId: await newAlarmRule() } }),
  tryAlarmRule: ({ plantId }) => ({ body: { plantId, tag: HOT.tag, condition: HOT.condition } }),
  listAlarmWebhooks: ofNothing,
  getAlarmWebhook: ofAlarmWebhook,
  createAlarmWebhook: ({ plantId }) => ({ body: { name: fresh(), plantId, url: 'https://198.41.0.4/hook' } }),
  changeAlarmWebhook: ({ webhookId }) => ({ params: { webhookId }, body: { enabled: false } }),
  deleteAlarmWebhook: async ({ newWebhook }) => ({ params: { webhookId: await newWebhook() } }),
  testAlarmWebhook: ofAlarmWebhook,
  getMyNotifications: ofNothing,
  changeMyNotifications: () => ({ body: { emailFrom: 'high' } }),
  createTicket: () => ({ body: {} }),
  checkIdentity: () => ({ body: WRONG_IDENTITY }),
  renewIdentity: () => ({ body: { ...WRONG_IDENTITY, csr: 'wrong' } }),
  confirmIdentity: () => ({ body: WRONG_IDENTITY }),
  enrol: () => ({ body: { token: 'wrong', csr: 'wrong' } }),
  getHealth: ofNothing,
  getOpenApi: ofNothing,
}

/** Throws when there is none: add one to this file. */
export async function exampleCall(operationId: string, place: Place): Promise<ExampleCall> {
  const make = (EXAMPLES as Record<string, MakeCall | undefined>)[operationId]
  if (make === undefined) {
    throw new Error(
      `There is no example of ${operationId}. Add to EXAMPLES in test/helpers/example-calls.ts a call of it that succeeds for an ` +
        'admin, about the things of the place that it is given (add to Place what it lacks).',
    )
  }
  return make(place)
}

/** Path with its query, as it is sent. */
export function pathOf(template: string, { params = {}, query }: ExampleCall): string {
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name]!))
  return query === undefined ? path : `${path}?${new URLSearchParams(query).toString()}`
}

export type Leaf = [path: (string | number)[], value: unknown]

/** Every value that is no object and no list, with where it stands. */
export function leavesOf(value: unknown, path: (string | number)[] = []): Leaf[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => leavesOf(item, [...path, index]))
  if (typeof value !== 'object' || value === null) return [[path, value]]
  return Object.entries(value).flatMap(([key, item]) => leavesOf(item, [...path, key]))
}

/** Where the two calls name different things. */
export function referencesOf(call: ExampleCall, other: ExampleCall): { path: (string | number)[]; other: unknown }[] {
  const others = new Map(leavesOf(other).map(([path, value]) => [JSON.stringify(path), value]))
  return leavesOf(call).flatMap(([path, value]) => {
    const another = others.get(JSON.stringify(path))
    return isFresh(value) || value === another ? [] : [{ path, other: another }]
  })
}

/** A copy of the call with another value in that place. */
export function withValue(call: ExampleCall, path: (string | number)[], value: unknown): ExampleCall {
  const copy = structuredClone(call) as Record<string | number, unknown>
  let parent = copy
  for (const key of path.slice(0, -1)) parent = parent[key] as Record<string | number, unknown>
  parent[path.at(-1)!] = value
  return copy
}
