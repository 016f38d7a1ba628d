/** OpenAPI 3.1 out of the route table: what is served is what is described. */
import { type ConversionConfig, toJsonSchema } from '@valibot/to-json-schema'
import type { GenericSchema } from 'valibot'
import packageJson from '../../package.json' with { type: 'json' }
import * as api from '../../schemas/api.ts'
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
  DeadLetter: api.DeadLetter,
  DeadLetterPage: api.DeadLetterPage,
  RedriveRequest: api.RedriveRequest,
  RedriveAnswer: api.RedriveAnswer,
  DiscardRequest: api.DiscardRequest,
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

const requestBodies = ['CreateGateway', 'EnrolmentRequest', 'RedriveRequest', 'DiscardRequest']

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
    parameters: [...parameters(route.params, 'path'), ...parameters(route.query, 'query')],
    ...(route.body && {
      requestBody: { required: true, content: { 'application/json': { schema: jsonSchema(route.body, 'input') } } },
    }),
    responses: {
      [route.answer.status]: {
        description: 'Done',
        content: { 'application/json': { schema: jsonSchema(route.answer.schema, 'output') } },
      },
      default: {
        description: 'Refused or failed; `code` says why',
        content: { 'application/problem+json': { schema: jsonSchema(api.Problem, 'output') } },
      },
    },
  }
}

function whoMay(route: Route): Record<string, unknown> {
  if (route.isOpen) return { description: `Asks for ${OPEN_OPERATIONS[route.operationId]}.`, security: [] }
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
