/**
 * Firebase Auth's REST API, as far as the two SDKs call it: https://firebase.google.com/docs/reference/rest/auth
 * The browser's calls carry `?key=`, those of firebase-admin `Authorization: Bearer owner`.
 */
import type { FastifyInstance } from 'fastify'
import * as v from 'valibot'
import { type Account, type AccountChange, type Accounts, AuthError } from './accounts.ts'
import { ID_TOKEN_SEC, makeTokens, readIdToken, readRefreshToken } from './tokens.ts'

const Text = v.optional(v.string())
const Body = v.object({
  email: v.optional(v.union([v.string(), v.array(v.string())])),
  localId: v.optional(v.union([v.string(), v.array(v.string())])),
  password: Text,
  displayName: Text,
  emailVerified: v.optional(v.boolean()),
  disabled: v.optional(v.boolean()),
  disableUser: v.optional(v.boolean()),
  customAttributes: Text,
  validSince: v.optional(v.union([v.string(), v.number()])),
  idToken: Text,
  oobCode: Text,
  newPassword: Text,
  requestType: Text,
  returnOobLink: v.optional(v.boolean()),
})
type Body = v.InferOutput<typeof Body>
type Operation = (body: Body) => object

export function serveFirebaseAuth(
  app: FastifyInstance,
  {
    accounts,
    projectId,
    log,
    webUrl,
  }: { accounts: Accounts; projectId: string; log: (line: string) => void; webUrl: () => string },
): void {
  const find = (localId: string) => accounts.find(localId)
  const nowSec = () => Math.floor(Date.now() / 1000)
  const signedIn = (account: Account, authTime: number) => {
    const tokens = makeTokens(projectId, account, authTime)
    return {
      localId: account.localId,
      email: account.email,
      displayName: account.displayName ?? '',
      ...tokens,
      expiresIn: String(ID_TOKEN_SEC),
    }
  }
  const changeOf = (body: Body): AccountChange => ({
    email: one(body.email),
    password: body.password,
    displayName: body.displayName,
    emailVerified: body.emailVerified,
    disabled: body.disableUser ?? body.disabled,
    customAttributes: body.customAttributes,
    validSince: body.validSince === undefined ? undefined : Number(body.validSince),
  })
  const sendOobCode: Operation = (body) => {
    if (body.requestType !== 'PASSWORD_RESET')
      throw new AuthError(`OPERATION_NOT_ALLOWED : local/ does not know ${String(body.requestType)}`)
    const email = required(one(body.email), 'MISSING_EMAIL')
    const oobLink = `${webUrl()}/reset-password?mode=resetPassword&oobCode=${accounts.newResetCode(email)}`
    log(`password reset of ${email}: ${oobLink}`)
    return { email, ...(body.returnOobLink && { oobLink }) }
  }

  const browser: Record<string, Operation> = {
    signInWithPassword: (body) => ({
      ...signedIn(accounts.signIn(one(body.email) ?? '', body.password ?? ''), nowSec()),
      registered: true,
    }),
    // Accounts are made by administrators: in the real project sign-up by anybody is switched off.
    signUp: () => {
      throw new AuthError('ADMIN_ONLY_OPERATION')
    },
    lookup: (body) => ({ users: [publicView(readIdToken(body.idToken ?? '', find).account)] }),
    update: (body) => {
      const { account } = readIdToken(body.idToken ?? '', find)
      // What a person may change of the own account.
      const { password, displayName } = changeOf(body)
      return signedIn(accounts.change(account.localId, { password, displayName }), nowSec())
    },
    // As a project that protects against the enumeration of addresses: each is told the same.
    sendOobCode: (body) => {
      const email = required(one(body.email), 'MISSING_EMAIL')
      if (accounts.findByEmail(email)) sendOobCode({ ...body, returnOobLink: false })
      return { email }
    },
    resetPassword: (body) => ({
      email: accounts.reset(body.oobCode ?? '', body.newPassword).email,
      requestType: 'PASSWORD_RESET',
    }),
  }
  const admin: Record<string, Operation> = {
    '': (body) =>
      publicView(accounts.create(required(one(body.email), 'MISSING_EMAIL'), changeOf(body), one(body.localId))),
    lookup: (body) => {
      const byId = many(body.localId).map(find)
      const byEmail = many(body.email).map((email) => accounts.findByEmail(email))
      const users = [...byId, ...byEmail].filter((account) => account !== undefined).map(publicView)
      return users.length > 0 ? { users } : {}
    },
    update: (body) => publicView(accounts.change(one(body.localId) ?? '', changeOf(body))),
    delete: (body) => {
      accounts.delete(one(body.localId) ?? '')
      return {}
    },
    sendOobCode,
    batchGet: () => ({ users: accounts.all().map(publicView) }),
  }

  app.addHook('onRequest', async (request, reply) => {
    // The page has another origin than this server.
    void reply.header('access-control-allow-origin', '*')
    if (request.method !== 'OPTIONS') return
    void reply.header('access-control-allow-headers', request.headers['access-control-request-headers'] ?? '*')
    void reply.header('access-control-allow-methods', 'GET, POST')
    await reply.code(204).send()
  })
  app.setErrorHandler((error, _request, reply) => {
    if (!(error instanceof AuthError)) throw error
    return reply.code(400).send({
      error: {
        code: 400,
        message: error.code,
        errors: [{ message: error.code, reason: 'invalid', domain: 'global' }],
      },
    })
  })
  app.all('/identitytoolkit.googleapis.com/*', (request, reply) => {
    const path = request.raw.url!.split('?')[0]!
    const [, ofAdmin, name = ''] = /\/v1\/(projects\/[^/]+\/)?accounts(?::(\w+))?$/.exec(path) ?? [, undefined, path]
    const operation = (ofAdmin ? admin : browser)[name]
    if (!operation) throw new AuthError(`OPERATION_NOT_ALLOWED : local/ does not know ${request.method} ${path}`)
    if (ofAdmin && request.headers.authorization !== 'Bearer owner') throw new AuthError('INSUFFICIENT_PERMISSION')
    const text = String(request.body)
    return reply.send(operation(v.parse(Body, JSON.parse(text === '' ? '{}' : text))))
  })
  app.post('/securetoken.googleapis.com/v1/token', (request, reply) => {
    const form = new URLSearchParams(String(request.body))
    const { account, authTime } = readRefreshToken(form.get('refresh_token') ?? '', find)
    const { idToken, refreshToken } = makeTokens(projectId, account, authTime)
    return reply.send({
      access_token: idToken,
      id_token: idToken,
      refresh_token: refreshToken,
      expires_in: String(ID_TOKEN_SEC),
      token_type: 'Bearer',
      user_id: account.localId,
      project_id: projectId,
    })
  })
}

/** An account as the API shows it: times are texts there. */
function publicView(account: Account) {
  const { localId, email, emailVerified, displayName, disabled, validSince, createdAt, lastLoginAt, customAttributes } =
    account
  return {
    localId,
    email,
    emailVerified,
    disabled,
    displayName,
    customAttributes,
    validSince: String(validSince),
    createdAt: String(createdAt),
    lastLoginAt: lastLoginAt === undefined ? undefined : String(lastLoginAt),
    providerUserInfo: [{ providerId: 'password', email, federatedId: email, rawId: email }],
  }
}

const many = (value: string | string[] | undefined) => (value === undefined ? [] : [value].flat())
const one = (value: string | string[] | undefined) => many(value)[0]

function required(value: string | undefined, code: string): string {
  if (!value) throw new AuthError(code)
  return value
}
