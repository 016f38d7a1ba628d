/** Real signatures, checked by firebase-admin against certificates that a server of this test publishes in Google's place. */
import { Agent } from 'node:https'
import { connect } from 'node:net'
import { deleteApp, initializeApp, type App } from 'firebase-admin/app'
import { getAuth } from 'firebase-admin/auth'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyToken } from '../../../lambdas/authorizer/verify-token.ts'
import { claims, createSigner, PROJECT, type TokenSigner, unsignedToken } from '../../helpers/firebase-tokens.ts'
import { serveJson, type TestServer } from '../../helpers/http-server.ts'

let google: TestServer
let app: App
let signer: TokenSigner
let stranger: TokenSigner
let certificatesAnswer: { status?: number; body: unknown }
let fetches = 0

/** Whatever host is asked for: speaks to the test's server, without TLS. */
function agentTo(server: TestServer): Agent {
  const agent = new Agent()
  agent.createConnection = () => connect(server.port, server.host)
  return agent
}

beforeAll(async () => {
  signer = await createSigner('key-1')
  stranger = await createSigner('key-1')
  certificatesAnswer = { body: { [signer.kid]: signer.certificate } }
  google = await serveJson(() => {
    fetches++
    return { headers: { 'cache-control': 'public, max-age=3600' }, ...certificatesAnswer }
  })
  app = initializeApp({ projectId: PROJECT, httpAgent: agentTo(google) }, 'signed')
})
afterAll(async () => {
  await deleteApp(app)
  await google.close()
})

const verify = (token: string) => verifyToken(getAuth(app), token)

describe('verifyToken', () => {
  it('says who it is, and fetches the certificates once', async () => {
    for (const uid of ['ana', 'beto']) {
      const token = signer.token(claims(uid, { auth_time: 1_736_359_200 }))
      expect(await verify(token)).toEqual({ uid, email: `${uid}@example.com`, authTime: 1_736_359_200 })
    }
    expect(fetches).toBe(1)
  })

  it('has no e-mail for an account without one', async () => {
    expect(await verify(signer.token(claims('ana', { email: undefined })))).toMatchObject({ uid: 'ana', email: '' })
  })

  it.each<[string, () => string]>([
    ['signed by another key', () => stranger.token(claims('ana'))],
    ['of another project', () => signer.token(claims('ana', { aud: 'other' }))],
    ['of another issuer', () => signer.token(claims('ana', { iss: 'https://example.com' }))],
    ['expired', () => signer.token(claims('ana', { exp: 1000 }))],
    ['unsigned, as the emulator makes them', () => unsignedToken(claims('ana'))],
    [
      'changed after it was signed',
      () =>
        signer
          .token(claims('ana'))
          .replace(/\.[^.]+\./, `.${Buffer.from(JSON.stringify(claims('eva'))).toString('base64url')}.`),
    ],
    ['no token at all', () => 'hello'],
  ])('refuses a token %s', async (_what, token) => {
    expect(await verify(token())).toBeUndefined()
  })

  it('turns nobody away when the certificates cannot be fetched', async () => {
    const another = initializeApp({ projectId: PROJECT, httpAgent: agentTo(google) }, 'no certificates')
    certificatesAnswer = { status: 400, body: { error: 'no' } }
    await expect(verifyToken(getAuth(another), signer.token(claims('ana')))).rejects.toThrow(
      'Error fetching public keys',
    )
    await deleteApp(another)
  })
})
