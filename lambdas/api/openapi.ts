/** OpenAPI 3.1 out of the route table: what is served is what is described. */
import { type ConversionConfig, toJsonSchema } from '@valibot/to-json-schema'
import type { GenericSchema } from 'valibot'
import packageJson from '../../package.json' with { type: 'json' }
import * as alarmRequests from '../../schemas/alarm-requests.ts'
import * as alarms from '../../schemas/alarms.ts'
import * as api from '../../schemas/api.ts'
import * as people from '../../schemas/people.ts'
import { OPEN_OPERATIONS, OPERATIONS, PERMISSIONS } from '../../schemas/permissions.ts'
import type { Route } from './route.ts'

/** Named in `components`; the rest stands where it is used. */
const components: Record<string, GenericSchema> = {
  Problem: api.Problem,
  Me: api.Me,
  Plant: api.Plant,
  PlantPage: api.PlantPage,
  Machine: api.Machine,
  MachinePage: api.MachinePage,
  MachineTagPage: api.MachineTagPage,
  MachineEventPage: api.MachineEventPage,
  History: api.History,
  MachineCompleteness: api.MachineCompleteness,
  CompletenessOfMachine: api.CompletenessOfMachine,
  CompletenessSummary: api.CompletenessSummary,
  Gateway: api.Gateway,
  GatewayPage: api.GatewayPage,
  GatewayConnection: api.GatewayConnection,
  GatewayConnectionPage: api.GatewayConnectionPage,
  CreateGateway: api.CreateGateway,
  CreatedGateway: api.CreatedGateway,
  EnrolmentRequest: api.EnrolmentRequest,
  Enrolment: api.Enrolment,
  MoveGateway: api.MoveGateway,
  IdentityRequest: api.IdentityRequest,
  IdentityState: api.IdentityState,
  RenewalRequest: api.RenewalRequest,
  DeadLetter: api.DeadLetter,
  DeadLetterPage: api.DeadLetterPage,
  RedriveRequest: api.RedriveRequest,
  RedriveAnswer: api.RedriveAnswer,
  DiscardRequest: api.DiscardRequest,
  CreatePlant: api.CreatePlant,
  CreateMachine: api.CreateMachine,
  UserAccount: people.UserAccount,
  UserAccountPage: people.UserAccountPage,
  CreateUser: people.CreateUser,
  ChangeUser: people.ChangeUser,
  InvitedUser: people.InvitedUser,
  AuditEntry: people.AuditEntry,
  AuditPage: people.AuditPage,
  AlarmCondition: alarms.AlarmCondition,
  Alarm: alarms.Alarm,
  AlarmPage: alarmRequests.AlarmPage,
  AlarmCounts: alarmRequests.AlarmCounts,
  AlarmEventPage: alarmRequests.AlarmEventPage,
  AlarmRule: alarmRequests.AlarmRule,
  AlarmRulePage: alarmRequests.AlarmRulePage,
  CreateAlarmRule: alarmRequests.CreateAlarmRule,
  AlarmTrial: alarmRequests.AlarmTrial,
  AlarmWebhook: alarmRequests.AlarmWebhook,
  AlarmWebhookPage: alarmRequests.AlarmWebhookPage,
  CreateAlarmWebhook: alarmRequests.CreateAlarmWebhook,
  NotificationChoice: alarmRequests.NotificationChoice,
  RealtimeTicket: api.RealtimeTicket,
  Health: api.Health,
}

const conversion = {
  target: 'draft-2020-12',
  // Checks in code (an IANA time zone, well-formed Unicode) have no words in JSON Schema.
  errorMode: 'ignore',
  definitions: components,
  overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}`,
} as const satisfies ConversionConfig

/** What the caller sends (`input`: before defaults and conversions) or gets (`output`). */
function jsonSchema(schema: GenericSchema, typeMode: 'input' | 'output', config: ConversionConfig = conversion) {
  const converted: Record<string, unknown> = { ...toJsonSchema(schema, { ...config, typeMode }) }
  delete converted['$schema']
  delete converted['$defs']
  return converted
}

export function openApiDocument(routes: readonly Route[]): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) (paths[route.path] ??= {})[route.method.toLowerCase()] = operation(route)
  return {
    openapi: '3.1.0',
    info: { title: 'IoT telemetry', version: packageJson.version },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(components).map(([name, schema]) => [name, component(name, schema)])),
      securitySchemes: { idToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
    },
  }
}

const requestBodies = [
  'CreatePlant',
  'CreateMachine',
  'CreateUser',
  'ChangeUser',
  'CreateGateway',
  'EnrolmentRequest',
  'MoveGateway',
  'IdentityRequest',
  'RenewalRequest',
  'RedriveRequest',
  'DiscardRequest',
  'AlarmCondition',
  'CreateAlarmRule',
  'CreateAlarmWebhook',
]

/** Without itself among the definitions: it would come out as a reference to itself. */
function component(name: string, schema: GenericSchema) {
  const others = Object.fromEntries(Object.entries(components).filter(([other]) => other !== name))
  const typeMode = requestBodies.includes(name) ? 'input' : 'output'
  return jsonSchema(schema, typeMode, { ...conversion, definitions: others })
}

function operation(route: Route): Record<string, unknown> {
  return {
    operationId: route.operationId,
    summary: route.summary,
    ...whoMay(route),
    parameters: [...parameters(route.params, 'path'), ...parameters(route.query, 'query'), ...headers(route)],
    ...(route.body && {
      requestBody: { required: true, content: { 'application/json': { schema: jsonSchema(route.body, 'input') } } },
    }),
    responses: {
      ...refusals(route),
      [route.answer.status]: {
        description: 'Done',
        ...(route.version && { headers: { etag: { description: 'For If-Match', schema: { type: 'string' } } } }),
        ...answered(route),
      },
      ...(route.answer.otherStatus && {
        [route.answer.otherStatus]: { description: 'As it says', ...answered(route) },
      }),
      default: {
        description: 'Refused or failed; `code` says why',
        content: { 'application/problem+json': { schema: jsonSchema(api.Problem, 'output') } },
      },
    },
  }
}

/**
 * What API Gateway refuses itself, before or instead of our code, and in its own format, which an HTTP API lets nobody change. Without a
 * token it answers 401, with one that the authorizer refuses 403.
 */
const BY_API_GATEWAY = {
  401: 'No ID token, or its session was ended',
  403: 'The ID token, the account or the role is refused',
  413: 'The body is too large: above 1 MB by the API, far above it by API Gateway',
  429: 'Too many requests: of the user or the company by the API, of all by API Gateway',
  500: 'Failed',
  503: 'Not available at the moment',
}

function refusals(route: Route): Record<string, unknown> {
  const ofIdentity = route.kind === 'open' ? [] : ['401', '403']
  const message = { type: 'object', properties: { message: { type: 'string' } }, required: ['message'] }
  return Object.fromEntries(
    Object.entries(BY_API_GATEWAY)
      .filter(([status]) => ofIdentity.includes(status) || !['401', '403'].includes(status))
      .map(([status, description]) => [
        status,
        {
          description,
          content: {
            'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
            'application/json': { schema: message },
          },
        },
      ]),
  )
}

function answered({ answer: { schema, otherContent } }: Route): Record<string, unknown> {
  const content = {
    ...(schema && { 'application/json': { schema: jsonSchema(schema, 'output') } }),
    ...(otherContent !== undefined && { [otherContent]: {} }),
  }
  return Object.keys(content).length > 0 ? { content } : {}
}

function headers(route: Route): unknown[] {
  if (route.kind === 'open' || route.method === 'GET') return []
  const key = {
    name: 'Idempotency-Key',
    description: 'A repeat with the same key and body gets the same answer, for a day',
  }
  const match = { name: 'If-Match', description: 'The ETag read before: 412 when somebody has changed it since' }
  return [key, ...(route.kind === 'change' && route.version ? [match] : [])].map((header) => ({
    ...header,
    in: 'header',
    required: false,
    schema: { type: 'string' },
  }))
}

function whoMay(route: Route): Record<string, unknown> {
  if (route.kind === 'open') return { description: `Asks for ${OPEN_OPERATIONS[route.operationId]}.`, security: [] }
  const roles = PERMISSIONS[OPERATIONS[route.operationId]]
  return { description: `For: ${roles.join(', ')}.`, 'x-roles': roles, security: [{ idToken: [] }] }
}

function parameters(schema: GenericSchema | undefined, place: 'path' | 'query'): unknown[] {
  if (schema === undefined) return []
  const { properties = {}, required = [] } = toJsonSchema(schema, { errorMode: 'ignore', typeMode: 'input' })
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: required.includes(name),
    schema: property,
  }))
}
