/**
 * The HTTP API as a caller meets it: API Gateway as the local cloud plays it, with the routes of the template, the real
 * authorizer, which verifies signatures against certificates that this file publishes in Google's place, and the real API.
 */
import { Agent } from 'node:https'
import { connect } from 'node:net'
import type { APIGatewayProxyEventV2, APIGatewayRequestAuthorizerEventV2 } from 'aws-lambda'
import { deleteApp, initializeApp } from 'firebase-admin/app'
import { getAuth } from 'firebase-admin/auth'
import { answerRequest } from '../../lambdas/api/answer-request.ts'
import { routes } from '../../lambdas/api/routes.ts'
import { authorize } from '../../lambdas/authorizer/authorize.ts'
import type { RouteSettings } from '../../local/assembly/read-apis.ts'
import { serveHttpApi } from '../../local/http/http-api.ts'
import { listen, rawServer } from '../../local/http/server.ts'
import { claims, createSigner, PROJECT } from './firebase-tokens.ts'
import type { HttpApi } from './http-api.ts'
import { serveJson } from './http-server.ts'

export interface ApiGateway {
  url: string
  /** ID tokens of the account, by what is wrong with them. */
  tokens(uid: string): Record<'valid' | 'expired' | 'forged' | 'other project', string>
  close(): Promise<void>
}

export async function startApiGateway({ services }: HttpApi): Promise<ApiGateway> {
  const [signer, stranger] = await Promise.all([createSigner('key'), createSigner('key')])
  const google = await serveJson(() => ({
    headers: { 'cache-control': 'public, max-age=3600' },
    body: { [signer.kid]: signer.certificate },
  }))
  const agent = new Agent()
  agent.createConnection = () => connect(google.port, google.host)
  const firebase = initializeApp({ projectId: PROJECT, httpAgent: agent }, crypto.randomUUID())
  const auth = getAuth(firebase)

  // As the templates have them, which test/unit/cdk compares with the routes.
  const authorizer = { id: 'authorizer', functionName: 'authorizer', header: 'authorization', cacheSec: 60 }
  const settings: RouteSettings[] = [
    { key: 'ANY /v1/{proxy+}', functionName: 'api', authorizer },
    ...routes
      .filter(({ kind }) => kind === 'open')
      .map(({ method, path }) => ({ key: `${method} ${path}`, functionName: 'api', authorizer: undefined })),
  ]
  const functions: Record<string, (event: never) => Promise<unknown>> = {
    api: (event: APIGatewayProxyEventV2) => answerRequest(services, event),
    authorizer: (event: APIGatewayRequestAuthorizerEventV2) => authorize(auth, event),
  }
  const app = rawServer(10 * 1024 * 1024)
  serveHttpApi(
    app,
    { apiId: 'api', protocol: 'HTTP', stage: '$default', throttle: undefined, routes: settings },
    (name) => ({
      // Through JSON, as events and answers travel.
      invoke: async (event) => ({
        payload: JSON.parse(
          JSON.stringify(await functions[name]!(JSON.parse(JSON.stringify(event)) as never)),
        ) as unknown,
      }),
    }),
  )
  const url = await listen(app, 0)
  return {
    url,
    tokens: (uid) => ({
      valid: signer.token(claims(uid)),
      expired: signer.token(claims(uid, { exp: Math.floor(Date.now() / 1000) - 10 })),
      forged: stranger.token(claims(uid)),
      'other project': signer.token(claims(uid, { aud: 'other', iss: 'https://securetoken.google.com/other' })),
    }),
    async close() {
      await app.close()
      await deleteApp(firebase)
      await google.close()
    },
  }
}
