import * as v from 'valibot'
import { Problem } from '../../../schemas/api.ts'
import { ApiErrorCode } from '../../../schemas/error-codes.ts'
import { SessionEnded } from '../auth/auth-session.ts'
import { ApiError } from './api-error.ts'

export interface ApiClientOptions {
  /** Prefix of every path; empty when the API answers on the page's own origin. */
  apiUrl: string
  /** As in AuthSession. */
  idToken(fresh: boolean): Promise<string>
  /** There is no token, or the API does not accept it, not even a fresh one. */
  onSessionEnd(): void
  /** The API refuses what the page offered: the person's rights may have changed. */
  onForbidden(): void
  /** Date header of an answer, epoch ms, and what the computer's own clock showed when it was asked. */
  onServerTime(at: number, askedAt: number): void
  fetch?: typeof fetch
}

export interface ApiClient {
  get<T extends v.GenericSchema>(schema: T, path: string): Promise<v.InferOutput<T>>
  /** What is no JSON: CSV, a zip. */
  content(method: 'GET' | 'POST', path: string, accept: string): Promise<Response>
  post<T extends v.GenericSchema>(schema: T, path: string, body?: unknown): Promise<v.InferOutput<T>>
  /** A question that is too long for an address. Nothing is made by it, so it has no key. */
  query<T extends v.GenericSchema>(schema: T, path: string, body: unknown): Promise<v.InferOutput<T>>
  patch<T extends v.GenericSchema>(schema: T, path: string, body: unknown): Promise<v.InferOutput<T>>
  /**
   * Changes what is still as the person has seen it: read once more, compared, and then changed only if it stays so. Else it fails
   * with `precondition_failed`, and nothing of what somebody else has done meanwhile is lost.
   */
  change<T extends v.GenericSchema>(
    schema: T,
    path: string,
    isAsSeen: (now: v.InferOutput<T>) => boolean,
    body: unknown,
  ): Promise<v.InferOutput<T>>
  delete<T extends v.GenericSchema>(schema: T, path: string, body?: unknown): Promise<v.InferOutput<T>>
}

/** A newer API may give codes that this page does not know; they are told like any other failure of the server. */
const AnyProblem = v.object({ ...Problem.entries, code: v.fallback(ApiErrorCode, 'internal') })

/** Says itself what the person may do. */
const ME = '/v1/me'

const ANSWER_WITHIN_MS = 15_000

export function createApiClient(options: ApiClientOptions): ApiClient {
  const fetchAnswer = options.fetch ?? fetch

  async function send(request: Request, freshToken: boolean): Promise<Response> {
    const { method, path, body, key, accept, ifMatch } = request
    const headers: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' }
    if (key !== undefined) headers['idempotency-key'] = key
    if (accept !== undefined) headers['accept'] = accept
    if (ifMatch !== undefined) headers['if-match'] = ifMatch
    try {
      headers['authorization'] = `Bearer ${await options.idToken(freshToken)}`
      return await fetchAnswer(`${options.apiUrl}${path}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      })
    } catch (cause) {
      if (cause instanceof SessionEnded) throw endSession(`${method} ${path}: ${cause.message}`)
      throw new ApiError('network', `${method} ${path} got no answer`, { cause })
    }
  }

  function endSession(why: string, answer: { status?: number; requestId?: string | null } = {}): ApiError {
    options.onSessionEnd()
    return new ApiError('session', why, answer)
  }

  async function call<T extends v.GenericSchema>(schema: T, method: string, path: string, body?: unknown) {
    return (await ask(schema, { method, path, body, key: method === 'POST' ? newKey() : undefined })).value
  }

  async function change<T extends v.GenericSchema>(
    schema: T,
    path: string,
    isAsSeen: (now: v.InferOutput<T>) => boolean,
    body: unknown,
  ) {
    const now = await ask(schema, { method: 'GET', path, body: undefined, key: undefined })
    if (!isAsSeen(now.value)) {
      const detail = 'Somebody else has changed it since it was shown.'
      const about = { type: 'about:blank', title: detail, detail, status: 412, requestId: now.requestId ?? '' }
      throw new ApiError('problem', detail, { status: 412, problem: { ...about, code: 'precondition_failed' } })
    }
    const request = { method: 'PATCH', path, body, key: undefined }
    return (await ask(schema, { ...request, ...(now.etag !== null && { ifMatch: now.etag }) })).value
  }

  async function ask<T extends v.GenericSchema>(schema: T, request: Request) {
    const { method, path } = request
    let askedAt = Date.now()
    let answer = await readAnswer(await send(request, false))
    if (tokenRefused(answer)) {
      askedAt = Date.now()
      answer = await readAnswer(await send(request, true))
    }
    if (answer.serverTime !== undefined) options.onServerTime(answer.serverTime, askedAt)
    const { status, requestId, problem } = answer
    if (tokenRefused(answer)) {
      throw endSession(`${method} ${path}: the token is refused`, { status, requestId })
    }
    if (problem?.code === 'forbidden' && path !== ME) options.onForbidden()
    if (problem) throw new ApiError('problem', problem.detail, { status, problem })
    const parsed = v.safeParse(schema, answer.body)
    if (!answer.ok || !parsed.success) {
      throw new ApiError('unexpected', `${method} ${path} answered ${status}`, { status, requestId })
    }
    return { value: parsed.output, etag: answer.etag, requestId }
  }

  /** An answer that is not JSON, untouched; a refusal is told as of any other call. */
  async function content(method: 'GET' | 'POST', path: string, accept: string): Promise<Response> {
    const request = { method, path, body: undefined, key: method === 'POST' ? newKey() : undefined, accept }
    let response = await send(request, false)
    if (response.status === 401) response = await send(request, true)
    if (response.ok) return response
    const answer = await readAnswer(response)
    if (tokenRefused(answer)) throw endSession(`${method} ${path}: the token is refused`, answer)
    const { status, problem, requestId } = answer
    throw new ApiError(problem ? 'problem' : 'unexpected', `${method} ${path} answered ${status}`, {
      ...{ status, requestId },
      ...(problem && { problem }),
    })
  }

  return {
    content,
    get: (schema, path) => call(schema, 'GET', path),
    post: (schema, path, body) => call(schema, 'POST', path, body),
    query: async (schema, path, body) => (await ask(schema, { method: 'POST', path, body, key: undefined })).value,
    patch: (schema, path, body) => call(schema, 'PATCH', path, body),
    change,
    delete: (schema, path, body) => call(schema, 'DELETE', path, body),
  }
}

interface Request {
  method: string
  path: string
  body: unknown
  /** `Idempotency-Key`: asked for twice, it is done once. */
  key: string | undefined
  accept?: string
  ifMatch?: string
}

/** Not randomUUID, which a page without TLS (a plant's own network) does not have. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

interface Answer {
  ok: boolean
  status: number
  body: unknown
  problem: Problem | undefined
  requestId: string | null
  etag: string | null
  serverTime: number | undefined
}

/** API Gateway's own refusals, which are no problem+json. Its 401 and 403 mean the token. */
const GatewayMessage = v.strictObject({ message: v.string() })
const GATEWAY_CODES: Partial<Record<number, ApiErrorCode>> = {
  404: 'not_found',
  413: 'payload_too_large',
  429: 'rate_limited',
  500: 'internal',
  503: 'unavailable',
}

function problemOf({ status }: Response, body: unknown, requestId: string | null): Problem | undefined {
  const problem = v.safeParse(AnyProblem, body)
  if (problem.success) return problem.output
  const code = GATEWAY_CODES[status]
  const refusal = v.safeParse(GatewayMessage, body)
  if (code === undefined || !refusal.success) return undefined
  const { message } = refusal.output
  return { type: 'about:blank', title: message, status, detail: message, code, requestId: requestId ?? '' }
}

async function readAnswer(response: Response): Promise<Answer> {
  const body: unknown = await response.json().catch((cause: unknown) => {
    if (cause instanceof SyntaxError) return undefined
    throw new ApiError('network', `the answer of ${response.url} broke off`, { cause })
  })
  const requestId = response.headers.get('apigw-requestid') ?? response.headers.get('x-request-id')
  const serverTime = Date.parse(response.headers.get('date') ?? '')
  return {
    ok: response.ok,
    status: response.status,
    body,
    problem: response.ok ? undefined : problemOf(response, body, requestId),
    requestId,
    etag: response.headers.get('etag'),
    serverTime: Number.isNaN(serverTime) ? undefined : serverTime,
  }
}

/** API Gateway and its authorizer refuse a token without a problem body; the API itself says why it refuses a person. */
function tokenRefused({ status, problem }: Answer): boolean {
  return status === 401 || (status === 403 && !problem)
}
