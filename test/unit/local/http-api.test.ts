/** What API Gateway answers itself, before or instead of a function. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MAX_PAYLOAD_BYTES, serveHttpApi } from '../../../local/http/http-api.ts'
import { listen, rawServer } from '../../../local/http/server.ts'
import { Throttle } from '../../../local/http/throttle.ts'

const app = rawServer(MAX_PAYLOAD_BYTES)
let url: string

beforeAll(async () => {
  const authorizer = { id: 'a', functionName: 'authorizer', header: 'authorization', cacheSec: 60 }
  const route = (key: string, functionName = 'ok') => ({ key, functionName, authorizer: undefined })
  const routes = [
    { ...route('ANY /v1/{proxy+}'), authorizer },
    ...[route('POST /v1/open'), route('GET /v1/slow', 'fails'), route('GET /v1/long', 'long')],
  ]
  const answers: Record<string, (event: unknown) => { functionError?: 'Unhandled'; payload: unknown }> = {
    ok: (event) => ({
      payload: { statusCode: 200, body: (event as { requestContext: { requestId: string } }).requestContext.requestId },
    }),
    fails: () => ({ functionError: 'Unhandled', payload: {} }),
    long: () => ({ payload: { statusCode: 200, body: 'x'.repeat(6 * 1024 * 1024) } }),
    authorizer: () => ({ payload: { isAuthorized: false } }),
  }
  const throttle = { perSecond: 0.001, burst: 3 }
  serveHttpApi(app, { apiId: 'api', protocol: 'HTTP', stage: '$default', throttle, routes }, (name) => ({
    invoke: (event) => Promise.resolve(answers[name]!(event)),
  }))
  url = await listen(app, 0)
})
afterAll(() => app.close())

async function ask(method: string, path: string, options: RequestInit = {}) {
  const answer = await fetch(`${url}${path}`, { method, ...options })
  const { status, headers } = answer
  return { status, type: headers.get('content-type'), id: headers.get('apigw-requestid'), text: await answer.text() }
}

describe('the local API Gateway', () => {
  it.each([
    ['a path that no route has', 404, 'Not Found', 'GET', '/v2', {}],
    ['no identity', 401, 'Unauthorized', 'GET', '/v1/me', {}],
    ['an identity that the authorizer refuses', 403, 'Forbidden', 'GET', '/v1/me', { headers: { authorization: 'x' } }],
    [
      'more than it takes',
      413,
      'Request Entity Too Large',
      'POST',
      '/v1/open',
      { body: 'x'.repeat(MAX_PAYLOAD_BYTES + 1) },
    ],
    [
      'more than a function takes',
      413,
      'Request Entity Too Large',
      'POST',
      '/v1/open',
      { body: 'x'.repeat(6 * 1024 * 1024) },
    ],
    ['a function that fails', 500, 'Internal Server Error', 'GET', '/v1/slow', {}],
    ['an answer longer than a function may give', 500, 'Internal Server Error', 'GET', '/v1/long', {}],
  ])('refuses %s', async (_what, status, message, method, path, options) => {
    const answer = await ask(method, path, options)
    expect(answer).toEqual({ status, type: 'application/json', id: answer.id, text: JSON.stringify({ message }) })
    expect(answer.id).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('names the request by the id that the function sees, and throttles each route alone', async () => {
    const first = await ask('POST', '/v1/open')
    expect(first).toMatchObject({ status: 200, text: first.id })
    await ask('POST', '/v1/open')
    expect(await ask('POST', '/v1/open')).toMatchObject({ status: 429, text: '{"message":"Too Many Requests"}' })
    expect((await ask('GET', '/v1/slow')).status).toBe(500)
  })

  it('lets a burst through, and from then on as many as flow back', () => {
    const throttle = new Throttle({ perSecond: 10, burst: 2 })
    const refused = [0, 0, 0, 99, 101, 150, 5000, 5000, 5000].map((at) => throttle.isTooFast(1e6 + at))
    expect(refused).toEqual([false, false, true, true, false, true, false, false, true])
  })
})
