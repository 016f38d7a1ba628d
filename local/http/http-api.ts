/** An API Gateway HTTP API: routes, throttle, authorizer, and the function behind each route. What it refuses itself is `{"message": …}`. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply } from 'fastify'
import * as v from 'valibot'
import type { ApiSettings } from '../assembly/read-apis.ts'
import type { InvokeResult, LambdaFunction } from '../lambda/function.ts'
import { Authorizer } from './authorizer.ts'
import { httpEvent, HttpResult } from './http-event.ts'
import { findRoute } from './route-key.ts'
import { Throttle } from './throttle.ts'

/** https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html */
export const MAX_PAYLOAD_BYTES = 10 * 1024 * 1024
const INTEGRATION_TIMEOUT_MS = 30_000
/** Of an event, and of an answer: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
const MAX_INVOCATION_BYTES = 6 * 1024 * 1024

const MESSAGES: Record<number, string> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  413: 'Request Entity Too Large',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}

export function serveHttpApi(
  app: FastifyInstance,
  api: ApiSettings,
  functionNamed: (name: string) => Pick<LambdaFunction, 'invoke'>,
): void {
  /** Routes of one authorizer share its cache. */
  const authorizers = new Map<string, Authorizer>()
  function authorizerOf(settings: NonNullable<ApiSettings['routes'][number]['authorizer']>): Authorizer {
    const key = `${settings.functionName} ${settings.header}`
    let authorizer = authorizers.get(key)
    if (!authorizer) authorizers.set(key, (authorizer = new Authorizer(settings, functionNamed(settings.functionName))))
    return authorizer
  }

  const routes = api.routes.map((route) => ({
    ...route,
    target: functionNamed(route.functionName),
    authorizer: route.authorizer && authorizerOf(route.authorizer),
    throttle: api.throttle && new Throttle(api.throttle),
  }))
  app.addHook('onRequest', (request, reply, done) => {
    void reply.header('apigw-requestid', request.id)
    done()
  })
  app.setErrorHandler((error: { statusCode?: number }, _request, reply) => {
    // Of Fastify's own errors only the one for a body that is too long can occur.
    if (error.statusCode !== 413) throw error as unknown as Error
    return refuse(reply, 413)
  })
  app.all('/*', async (request, reply) => {
    const found = findRoute(routes, request.method, request.raw.url!.split('?')[0]!)
    if (!found) return refuse(reply, 404)
    const { route, pathParameters } = found
    if (route.throttle?.isTooFast(performance.now())) return refuse(reply, 429)
    const event = httpEvent(request, api.apiId, route.key, pathParameters)
    if (Buffer.byteLength(JSON.stringify(event)) > MAX_INVOCATION_BYTES) return refuse(reply, 413)
    if (!route.authorizer) return answer(reply, await withinTimeout(route.target.invoke(event)))
    const verdict = await route.authorizer.judge(event)
    if (!verdict.allowed) return refuse(reply, verdict.status)
    const requestContext = { ...event.requestContext, authorizer: { lambda: verdict.context } }
    return answer(reply, await withinTimeout(route.target.invoke({ ...event, requestContext })))
  })
}

function withinTimeout(invocation: Promise<InvokeResult>): Promise<InvokeResult | undefined> {
  return Promise.race([invocation, sleep(INTEGRATION_TIMEOUT_MS, undefined, { ref: false })])
}

async function answer(reply: FastifyReply, result: InvokeResult | undefined): Promise<FastifyReply> {
  if (!result) return refuse(reply, 503)
  if (result.functionError) return refuse(reply, 500)
  if (Buffer.byteLength(JSON.stringify(result.payload ?? null)) > MAX_INVOCATION_BYTES) return refuse(reply, 500)
  const parsed = v.safeParse(HttpResult, result.payload)
  if (!parsed.success) return reply.code(200).type('application/json').send(JSON.stringify(result.payload))
  const { statusCode, headers, cookies, body, isBase64Encoded } = parsed.output
  void reply.code(statusCode)
  for (const [name, value] of Object.entries(headers)) void reply.header(name, String(value))
  if (cookies.length > 0) void reply.header('set-cookie', cookies)
  if (!reply.hasHeader('content-type')) void reply.type('text/plain; charset=utf-8')
  // As bytes: to a text the server would add its own charset.
  return reply.send(Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8'))
}

const refuse = (reply: FastifyReply, status: number) =>
  reply
    .code(status)
    .type('application/json')
    .send(Buffer.from(JSON.stringify({ message: MESSAGES[status] })))
