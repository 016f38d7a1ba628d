/** The authorizer as the local system runs it: tokens of the emulator, accounts from the emulator's endpoint. */
import type { APIGatewayRequestAuthorizerEventV2, Context } from 'aws-lambda'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { claims, PROJECT, unsignedToken } from '../../helpers/firebase-tokens.ts'
import { serveJson, type TestServer } from '../../helpers/http-server.ts'

type Handler = (event: APIGatewayRequestAuthorizerEventV2, context: Context) => Promise<unknown>

let emulator: TestServer
let handler: Handler

beforeAll(async () => {
  emulator = await serveJson((request, body) => {
    expect(request.url).toBe(`/identitytoolkit.googleapis.com/v1/projects/${PROJECT}/accounts:lookup`)
    const { localId } = JSON.parse(body) as { localId: string[] }
    if (localId[0] === 'deleted') return { body: {} }
    const account = { localId: localId[0], email: 'ana@example.com', disabled: localId[0] === 'disabled' }
    return { body: { users: [account] } }
  })
  process.env['FIREBASE_AUTH_EMULATOR_HOST'] = `${emulator.host}:${emulator.port}`
  process.env['FIREBASE_PROJECT_ID'] = PROJECT
  process.env['POWERTOOLS_LOG_LEVEL'] = 'DEBUG'
  handler = (await import('../../../lambdas/authorizer/authorizer.lambda.ts')).handler
})
afterAll(() => emulator.close())

function authorize(authorization?: string) {
  const event = {
    headers: authorization === undefined ? {} : { authorization },
    requestContext: { requestId: 'request-1' },
  } as unknown as APIGatewayRequestAuthorizerEventV2
  return handler(event, { awsRequestId: 'x', functionName: 'authorizer' } as Context)
}

const refused = { isAuthorized: false, context: {} }

describe('authorizer', () => {
  it('tells the API who it is', async () => {
    const token = unsignedToken(claims('ana', { auth_time: 1_736_359_200 }))
    expect(await authorize(`Bearer ${token}`)).toEqual({
      isAuthorized: true,
      context: { uid: 'ana', email: 'ana@example.com', authTime: 1_736_359_200 },
    })
  })

  it.each<[string, string | undefined]>([
    ['nothing', undefined],
    ['another scheme', 'Basic YTpi'],
    ['no token', 'Bearer '],
    ['what is no token', 'Bearer hello'],
    ['an expired token', `Bearer ${unsignedToken(claims('ana', { exp: 1000 }))}`],
    ['a disabled account', `Bearer ${unsignedToken(claims('disabled'))}`],
    ['a deleted account', `Bearer ${unsignedToken(claims('deleted'))}`],
  ])('refuses %s', async (_what, authorization) => {
    expect(await authorize(authorization)).toEqual(refused)
  })

  it('logs no token', async () => {
    const lines: string[] = []
    const spies = (['log', 'info', 'debug', 'warn', 'error'] as const).map((level) =>
      vi.spyOn(console, level).mockImplementation((line: unknown) => void lines.push(String(line))),
    )
    const write = vi.spyOn(process.stdout, 'write').mockImplementation((line) => Boolean(lines.push(String(line))))
    const token = unsignedToken(claims('ana'))
    await authorize(`Bearer ${token}`)
    await authorize('Bearer a-secret-that-is-no-token')
    for (const spy of [...spies, write]) spy.mockRestore()
    expect(lines.join('')).not.toContain(token.split('.')[1])
    expect(lines.join('')).not.toContain('a-secret-that-is-no-token')
  })
})
