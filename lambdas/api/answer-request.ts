/** One HTTP request from event to answer. Everything that is thrown on the way becomes problem+json here. */
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import * as v from 'valibot'
import { OPERATIONS, roleMay } from '../../schemas/permissions.ts'
import { logger } from '../runtime/frame.ts'
import { currentUser } from './current-user.ts'
import { findRoute } from './find-route.ts'
import { ApiError, asApiError, problemOf } from './problem.ts'
import { readInput } from './read-input.ts'
import { WithStatus, type Route } from './route.ts'
import { routes } from './routes.ts'
import type { Services } from './services.ts'

const Authorized = v.object({ authorizer: v.object({ lambda: v.object({ uid: v.string() }) }) })

export async function answerRequest(
  services: Services,
  event: APIGatewayProxyEventV2,
): Promise<APIGatewayProxyStructuredResultV2> {
  const { requestId, http } = event.requestContext
  logger.appendKeys({ requestId, method: http.method, path: event.rawPath })
  try {
    const { route, params } = findRoute(routes, http.method, event.rawPath)
    logger.appendKeys({ operation: route.operationId })
    const outcome = await callRoute(route, params, services, event)
    const status = outcome instanceof WithStatus ? outcome.status : route.answer.status
    const body: unknown = outcome instanceof WithStatus ? outcome.body : outcome
    logger.info('Answered', { status })
    return answer(status, 'application/json', body, requestId)
  } catch (thrown) {
    const error = asApiError(thrown)
    const problem = problemOf(error, requestId)
    if (error.code === 'internal') logger.error('Failed', { status: problem.status, error: thrown })
    else logger.info('Refused', { status: problem.status, code: error.code, errors: error.fields })
    return answer(problem.status, 'application/problem+json', problem, requestId, error.headers)
  }
}

async function callRoute(
  route: Route,
  params: Record<string, string>,
  services: Services,
  event: APIGatewayProxyEventV2,
): Promise<unknown> {
  const requestId = event.requestContext.requestId
  if (route.isOpen) return route.handle({ ...readInput(route, params, event), requestId, services })
  const authorized = v.safeParse(Authorized, event.requestContext)
  if (!authorized.success) throw new ApiError('unauthenticated', 'Send the ID token as a bearer token.')
  const user = await currentUser(services, authorized.output.authorizer.lambda.uid)
  logger.appendKeys({ tenant: user.tenantSlug, userId: user.userId })
  if (!roleMay(user.role, OPERATIONS[route.operationId]))
    throw new ApiError('forbidden', `A ${user.role} may not do this.`)
  return route.handle({ ...readInput(route, params, event), requestId, services, user })
}

function answer(
  statusCode: number,
  contentType: string,
  body: unknown,
  requestId: string,
  headers: Record<string, string> = {},
): APIGatewayProxyStructuredResultV2 {
  return {
    statusCode,
    headers: { 'content-type': contentType, 'cache-control': 'no-store', 'x-request-id': requestId, ...headers },
    body: JSON.stringify(body),
  }
}
