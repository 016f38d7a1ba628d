/** One HTTP request from event to answer. Everything that is thrown on the way becomes problem+json here. */
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import type { Transaction } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import * as v from 'valibot'
import { OPERATIONS, roleMay } from '../../schemas/permissions.ts'
import type { Database } from '../data/database.ts'
import type { User } from '../data/find-user.ts'
import { releaseKey } from '../data/idempotency-keys.ts'
import { inTenant } from '../data/tenant-transaction.ts'
import { logger, metrics } from '../runtime/frame.ts'
import { currentUser } from './current-user.ts'
import { checkIfMatch, etagOf } from './etag.ts'
import { findRoute } from './find-route.ts'
import { beginKeyed, endKeyed, type Keyed, readKey } from './idempotency.ts'
import { ApiError, asApiError, invalidField, problemOf } from './problem.ts'
import { limitRate } from './rate-limit.ts'
import { readInput, type RouteInput } from './read-input.ts'
import { type ChangeRoute, type OpenCall, type Route, type UserRoute, OtherContent, WithStatus } from './route.ts'
import { routes } from './routes.ts'
import type { Services } from './services.ts'

type Event = APIGatewayProxyEventV2
type Answer = APIGatewayProxyStructuredResultV2
type Call = OpenCall<v.GenericSchema, v.GenericSchema, v.GenericSchema>
type OwnCall = Call & { user: User; authTime: number }

const Authorized = v.object({ authorizer: v.object({ lambda: v.object({ uid: v.string(), authTime: v.number() }) }) })

/** For whoever asks the API itself: through CloudFront come those of the page. No answer of an API is a page or is framed. */
const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

export async function answerRequest(services: Services, event: Event): Promise<Answer> {
  const { requestId, http } = event.requestContext
  logger.appendKeys({ requestId, method: http.method, path: event.rawPath })
  try {
    const { route, params } = findRoute(routes, http.method, event.rawPath)
    logger.appendKeys({ operation: route.operationId })
    const answer = await callRoute(route, params, services, event)
    logger.info('Answered', { status: answer.statusCode })
    return framed(answer, requestId)
  } catch (thrown) {
    const error = asApiError(thrown)
    const problem = problemOf(error, requestId)
    if (problem.status >= 500) metrics.addMetric('RequestsFailed', 'Count', 1)
    if (error.code === 'internal') logger.error('Failed', { status: problem.status, error: thrown })
    else logger.info('Refused', { status: problem.status, code: error.code, errors: error.fields })
    const headers = { 'content-type': 'application/problem+json', ...error.headers }
    return framed({ statusCode: problem.status, headers, body: JSON.stringify(problem) }, requestId)
  }
}

const framed = (answer: Answer, requestId: string): Answer => ({
  ...answer,
  headers: { ...SECURITY_HEADERS, 'x-request-id': requestId, ...answer.headers },
})

async function callRoute(
  route: Route,
  params: Record<string, string>,
  services: Services,
  event: Event,
): Promise<Answer> {
  if (route.kind === 'open') return answerOf(route, await route.handle(callOf(route, params, services, event)))
  const authorized = v.safeParse(Authorized, event.requestContext)
  if (!authorized.success) throw new ApiError('unauthenticated', 'Send the ID token as a bearer token.')
  const { uid, authTime } = authorized.output.authorizer.lambda
  const user = await currentUser(services, { uid, authTime })
  logger.appendKeys({ tenant: user.tenantSlug, userId: user.userId })
  await limitRate(services, user)
  if (!roleMay(user.role, OPERATIONS[route.operationId])) {
    throw new ApiError('forbidden', `A ${user.role} may not do this.`)
  }
  const call = callOf(route, params, services, event)
  const keyed = readKey(route, user, event)
  if (route.kind === 'change') return change(route, { ...call, user, authTime }, keyed, event.headers['if-match'])
  if (event.headers['if-match'] !== undefined && route.method !== 'GET') {
    throw invalidField('If-Match', 'cannot be checked by this operation')
  }
  return keyed === undefined
    ? answerOf(route, await route.handle({ ...call, user, authTime, newId: uuidv7() }))
    : once(route, { ...call, user, authTime }, keyed)
}

/** Path, query and body after their schemas: not before it is known that the caller may ask. */
function callOf(route: Route, params: Record<string, string>, services: Services, event: Event): Call {
  const { requestId, http } = event.requestContext
  const accept = event.headers['accept']?.toLowerCase() ?? ''
  const input: RouteInput = readInput(route, params, event)
  return { ...input, requestId, sourceIp: http.sourceIp, accept, services }
}

/** In one transaction with its key's answer. */
async function change(
  route: ChangeRoute,
  call: OwnCall,
  keyed: Keyed | undefined,
  ifMatch: string | undefined,
): Promise<Answer> {
  const later: (() => Promise<unknown>)[] = []
  let isChecked = false
  const mustMatch = (version: unknown) => {
    isChecked = true
    checkIfMatch(ifMatch, version)
  }
  const work = async (transaction: Transaction<Database>) => {
    const begun = keyed === undefined ? { newId: uuidv7() } : await beginKeyed(transaction, keyed)
    if ('answer' in begun) return begun.answer
    const outcome = await route.handle({
      ...call,
      ...{ newId: begun.newId, transaction, mustMatch },
      afterCommit: (one) => later.push(one),
    })
    if (ifMatch !== undefined && !isChecked) throw invalidField('If-Match', 'cannot be checked by this operation')
    const answer = answerOf(route, outcome)
    if (keyed !== undefined) await endKeyed(transaction, keyed, answer)
    return answer
  }
  const answer = await inTenant(call.services.db, call.user.tenantId, work)
  for (const one of later) await one()
  return answer
}

/** Work of several transactions: the key is claimed before, and given back when the work has failed. */
async function once(route: UserRoute, call: OwnCall, keyed: Keyed): Promise<Answer> {
  const { user } = call
  const { db } = call.services
  const begun = await inTenant(db, user.tenantId, (transaction) => beginKeyed(transaction, keyed))
  if ('answer' in begun) return begun.answer
  let answer: Answer
  try {
    answer = answerOf(route, await route.handle({ ...call, newId: begun.newId }))
  } catch (error) {
    await inTenant(db, user.tenantId, (transaction) => releaseKey(transaction, keyed))
    throw error
  }
  await inTenant(db, user.tenantId, (transaction) => endKeyed(transaction, keyed, answer))
  return answer
}

function answerOf(route: Route, outcome: unknown): Answer {
  if (outcome instanceof OtherContent) {
    const { contentType, content, headers } = outcome
    const isBase64Encoded = typeof content !== 'string'
    return {
      statusCode: route.answer.status,
      headers: { 'content-type': contentType, ...headers },
      body: typeof content === 'string' ? content : content.toString('base64'),
      isBase64Encoded,
    }
  }
  const statusCode = outcome instanceof WithStatus ? outcome.status : route.answer.status
  const body: unknown = outcome instanceof WithStatus ? outcome.body : outcome
  if (body === undefined) return { statusCode }
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (route.version !== undefined) headers['etag'] = etagOf(route.version(body))
  return { statusCode, headers, body: JSON.stringify(body) }
}
