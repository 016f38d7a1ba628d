/** HTTP and WebSocket APIs: routes, the functions behind them, authorizers. */
import * as v from 'valibot'
import type { Assembly } from './assembly.ts'

const Api = v.object({
  ProtocolType: v.picklist(['HTTP', 'WEBSOCKET']),
  CorsConfiguration: v.optional(v.never('local/ knows no CORS')),
})
const Route = v.object({
  ApiId: v.string(),
  RouteKey: v.string(),
  Target: v.pipe(v.string(), v.startsWith('integrations/')),
  AuthorizationType: v.optional(v.picklist(['NONE', 'CUSTOM']), 'NONE'),
  AuthorizerId: v.optional(v.string()),
})
const Integration = v.object({
  IntegrationType: v.literal('AWS_PROXY'),
  IntegrationUri: v.string(),
  PayloadFormatVersion: v.optional(v.string()),
})
const Authorizer = v.object({
  AuthorizerType: v.literal('REQUEST'),
  AuthorizerUri: v.string(),
  AuthorizerPayloadFormatVersion: v.literal('2.0'),
  EnableSimpleResponses: v.literal(true),
  IdentitySource: v.tuple([v.pipe(v.string(), v.startsWith('$request.header.'))]),
  AuthorizerResultTtlInSeconds: v.optional(v.number(), 0),
})

const Stage = v.object({
  ApiId: v.string(),
  StageName: v.string(),
  DefaultRouteSettings: v.optional(v.object({ ThrottlingRateLimit: v.number(), ThrottlingBurstLimit: v.number() })),
})

export interface AuthorizerSettings {
  id: string
  functionName: string
  /** Header that names the caller, in lower case. */
  header: string
  cacheSec: number
}

export interface RouteSettings {
  /** `GET /v1/health`, `ANY /v1/{proxy+}`, `$connect`. */
  key: string
  functionName: string
  authorizer: AuthorizerSettings | undefined
}

export interface ApiSettings {
  apiId: string
  protocol: 'HTTP' | 'WEBSOCKET'
  stage: string
  /** Of each route. */
  throttle: { perSecond: number; burst: number } | undefined
  routes: RouteSettings[]
}

export function readApis(assembly: Assembly): ApiSettings[] {
  const byRef = (type: string) =>
    new Map(assembly.resources(type).map((resource) => [String(assembly.ref(resource)), resource.properties]))
  const integrations = byRef('AWS::ApiGatewayV2::Integration')
  const authorizers = byRef('AWS::ApiGatewayV2::Authorizer')
  const authorizer = (id: string): AuthorizerSettings => {
    const properties = v.parse(Authorizer, authorizers.get(id))
    return {
      id,
      functionName: functionOf(properties.AuthorizerUri),
      header: properties.IdentitySource[0].slice('$request.header.'.length).toLowerCase(),
      cacheSec: properties.AuthorizerResultTtlInSeconds,
    }
  }
  const route = (properties: Record<string, unknown>) => {
    const { ApiId, RouteKey, Target, AuthorizationType, AuthorizerId } = v.parse(Route, properties)
    const integration = v.parse(Integration, integrations.get(Target.slice('integrations/'.length)))
    return {
      apiId: ApiId,
      key: RouteKey,
      functionName: functionOf(integration.IntegrationUri),
      authorizer: AuthorizationType === 'CUSTOM' ? authorizer(AuthorizerId!) : undefined,
    }
  }
  const routes = assembly.resources('AWS::ApiGatewayV2::Route').map(({ properties }) => route(properties))
  const stages = assembly.resources('AWS::ApiGatewayV2::Stage').map(({ properties }) => v.parse(Stage, properties))
  return assembly.resources('AWS::ApiGatewayV2::Api').map((resource) => {
    const apiId = String(assembly.ref(resource))
    const { StageName, DefaultRouteSettings: limits } = v.parse(
      Stage,
      stages.find((stage) => stage.ApiId === apiId),
    )
    return {
      apiId,
      protocol: v.parse(Api, resource.properties).ProtocolType,
      stage: StageName,
      throttle: limits && { perSecond: limits.ThrottlingRateLimit, burst: limits.ThrottlingBurstLimit },
      routes: routes.filter((candidate) => candidate.apiId === apiId),
    }
  })
}

/** The function's ARN, alone or inside `arn:…:lambda:path/2015-03-31/functions/<ARN>/invocations`. */
const functionOf = (uri: string) =>
  uri
    .replace(/\/invocations$/, '')
    .split(':')
    .at(-1)!
