import * as v from 'valibot'
import { describe, expect, it, vi } from 'vitest'
import { ApiError } from '../../../web/src/api/api-error.ts'
import { createApiClient } from '../../../web/src/api/client.ts'
import { SessionEnded } from '../../../web/src/auth/auth-session.ts'
import { signInErrorOf } from '../../../web/src/auth/sign-in-errors.ts'

const Answer = v.object({ hello: v.string() })

const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers })

const problem = (status: number, code: string) =>
  json(status, { type: 'about:blank', title: 't', status, detail: 'd', code, requestId: 'r-1' })

function clientOf(...answers: (Response | Error)[]) {
  const fetchAnswer = vi.fn<typeof fetch>(() => {
    const answer = answers.shift()!
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer)
  })
  const idToken = vi.fn((fresh: boolean) => Promise.resolve(fresh ? 'fresh' : 'old'))
  const onSessionEnd = vi.fn()
  const onServerTime = vi.fn()
  const onForbidden = vi.fn()
  const client = createApiClient({ apiUrl: '', idToken, onSessionEnd, onServerTime, onForbidden, fetch: fetchAnswer })
  const tokens = () =>
    fetchAnswer.mock.calls.map(([, init]) => new Headers(init?.headers).get('authorization')?.slice('Bearer '.length))
  return { client, fetchAnswer, idToken, onSessionEnd, onServerTime, onForbidden, tokens }
}

const failure = (call: Promise<unknown>): Promise<ApiError> =>
  call.then(
    () => expect.fail('it answered'),
    (error: unknown) => (error instanceof ApiError ? error : expect.fail(String(error))),
  )

describe('api client', () => {
  it('sends the token and gives what the schema says', async () => {
    const date = 'Mon, 24 Nov 2025 10:00:00 GMT'
    const { client, tokens, onServerTime } = clientOf(json(200, { hello: 'you', more: 1 }, { date }))
    expect(await client.get(Answer, '/v1/x')).toEqual({ hello: 'you' })
    expect(tokens()).toEqual(['old'])
    expect(onServerTime).toHaveBeenCalledWith(Date.parse(date), expect.any(Number))
  })

  it.each([
    ['a 401', () => json(401, { message: 'Unauthorized' })],
    ['a 403 without a problem', () => json(403, { message: 'Forbidden' })],
  ])('tries once more with a fresh token after %s', async (_, refusal) => {
    const { client, tokens, onSessionEnd } = clientOf(refusal(), json(200, { hello: 'again' }))
    expect(await client.post(Answer, '/v1/x', {})).toEqual({ hello: 'again' })
    expect(tokens()).toEqual(['old', 'fresh'])
    expect(onSessionEnd).not.toHaveBeenCalled()
  })

  it('ends the session when the fresh token is refused too', async () => {
    const { client, onSessionEnd, fetchAnswer } = clientOf(json(401, {}), json(401, {}))
    expect((await failure(client.get(Answer, '/v1/x'))).kind).toBe('session')
    expect(onSessionEnd).toHaveBeenCalledOnce()
    expect(fetchAnswer).toHaveBeenCalledTimes(2)
  })

  it('ends the session when there is no token any more', async () => {
    const { client, onSessionEnd, idToken } = clientOf()
    idToken.mockRejectedValue(new SessionEnded('auth/user-disabled'))
    expect((await failure(client.get(Answer, '/v1/x'))).kind).toBe('session')
    expect(onSessionEnd).toHaveBeenCalledOnce()
  })

  it('keeps the session when the API itself forbids, and gives its reason', async () => {
    const { client, onSessionEnd, onForbidden } = clientOf(problem(403, 'forbidden'), problem(403, 'forbidden'))
    const error = await failure(client.get(Answer, '/v1/me'))
    expect(error).toMatchObject({ kind: 'problem', status: 403, requestId: 'r-1', forbidden: true })
    expect(onForbidden).not.toHaveBeenCalled()
    await failure(client.get(Answer, '/v1/users'))
    expect(onForbidden).toHaveBeenCalledOnce()
    expect(onSessionEnd).not.toHaveBeenCalled()
  })

  it('takes a problem of a newer API for a failure of the server', async () => {
    const { client } = clientOf(problem(418, 'a_code_of_tomorrow'))
    expect((await failure(client.get(Answer, '/v1/x'))).problem?.code).toBe('internal')
  })

  it('takes an answer that breaks off for a failure of the network', async () => {
    const broken = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode('{"hello":')),
      pull: () => Promise.reject(new TypeError('terminated')),
    })
    const { client } = clientOf(new Response(broken, { status: 200 }))
    expect((await failure(client.get(Answer, '/v1/x'))).kind).toBe('network')
  })

  it('tells the network from the server', async () => {
    const { client } = clientOf(new TypeError('Failed to fetch'), json(502, 'Bad gateway', { 'x-request-id': 'r-2' }))
    expect((await failure(client.get(Answer, '/v1/x'))).kind).toBe('network')
    expect(await failure(client.get(Answer, '/v1/x'))).toMatchObject({ kind: 'unexpected', requestId: 'r-2' })
  })

  it.each([
    [429, 'Too Many Requests', 'rate_limited'],
    [503, 'Service Unavailable', 'unavailable'],
    [413, 'Request Entity Too Large', 'payload_too_large'],
  ])('has a code for what API Gateway refuses itself with %i', async (status, message, code) => {
    const { client } = clientOf(json(status, { message }, { 'apigw-requestid': 'r-3' }))
    const error = await failure(client.get(Answer, '/v1/x'))
    expect(error).toMatchObject({ kind: 'problem', status, requestId: 'r-3', problem: { code } })
  })

  it('changes only what is still as it was seen, and sends the version that it has compared', async () => {
    const isAsSeen = ({ hello }: { hello: string }) => hello === 'you'
    const same = clientOf(json(200, { hello: 'you' }, { etag: '"v1"' }), json(200, { hello: 'me' }))
    expect(await same.client.change(Answer, '/v1/x', isAsSeen, { hello: 'me' })).toEqual({ hello: 'me' })
    const [, [, init]] = same.fetchAnswer.mock.calls as [unknown, [string, RequestInit]]
    expect([init.method, new Headers(init.headers).get('if-match')]).toEqual(['PATCH', '"v1"'])

    const changed = clientOf(json(200, { hello: 'they' }, { etag: '"v2"' }))
    const error = await failure(changed.client.change(Answer, '/v1/x', isAsSeen, { hello: 'me' }))
    expect(error).toMatchObject({ status: 412, problem: { code: 'precondition_failed' } })
    expect(changed.fetchAnswer).toHaveBeenCalledOnce()
    const lost = clientOf(json(200, { hello: 'you' }, { etag: '"v1"' }), problem(412, 'precondition_failed'))
    expect((await failure(lost.client.change(Answer, '/v1/x', isAsSeen, {}))).problem?.code).toBe('precondition_failed')
  })

  it('does not pass on an answer that breaks the contract', async () => {
    const { client } = clientOf(json(200, { hello: 7 }))
    expect((await failure(client.get(Answer, '/v1/x'))).kind).toBe('unexpected')
  })
})

it('has words for what Firebase answers, and a code for the rest', () => {
  const coded = (code: string) => Object.assign(new Error('x'), { code })
  expect(signInErrorOf(coded('auth/invalid-credential')).name).toBe('wrongCredentials')
  expect(signInErrorOf(coded('auth/internal-error'))).toEqual({ name: 'other', code: 'auth/internal-error' })
  expect(signInErrorOf('?')).toEqual({ name: 'other', code: 'unknown' })
})
