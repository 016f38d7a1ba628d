/** ID tokens as the Firebase emulator makes them: unsigned, which the SDKs accept only when told of an emulator. */
import * as v from 'valibot'
import { type Account, AuthError } from './accounts.ts'

export const ID_TOKEN_SEC = 3600

const IdToken = v.object({ sub: v.string(), auth_time: v.number(), exp: v.number() })
const RefreshToken = v.object({ localId: v.string(), authTime: v.number() })

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** `authTime`: epoch seconds of the sign-in. */
export function makeTokens(projectId: string, account: Account, authTime: number) {
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    ...(account.customAttributes === undefined ? {} : (JSON.parse(account.customAttributes) as object)),
    iss: `https://securetoken.google.com/${projectId}`,
    aud: projectId,
    auth_time: authTime,
    user_id: account.localId,
    sub: account.localId,
    iat: now,
    exp: now + ID_TOKEN_SEC,
    email: account.email,
    email_verified: account.emailVerified,
    firebase: { identities: { email: [account.email] }, sign_in_provider: 'password' },
  }
  return {
    idToken: `${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims)}.`,
    refreshToken: encode({ localId: account.localId, authTime }),
  }
}

/** Whose token it is. Throws Firebase's error when it is not valid any more. */
export function readIdToken(
  token: string,
  find: (localId: string) => Account | undefined,
): { account: Account; authTime: number } {
  const claims = decode(IdToken, token.split('.')[1])
  if (!claims) throw new AuthError('INVALID_ID_TOKEN')
  if (claims.exp < Date.now() / 1000) throw new AuthError('TOKEN_EXPIRED')
  return valid(find(claims.sub), claims.auth_time)
}

export function readRefreshToken(
  token: string,
  find: (localId: string) => Account | undefined,
): { account: Account; authTime: number } {
  const content = decode(RefreshToken, token)
  if (!content) throw new AuthError('INVALID_REFRESH_TOKEN')
  return valid(find(content.localId), content.authTime)
}

function valid(account: Account | undefined, authTime: number): { account: Account; authTime: number } {
  if (!account) throw new AuthError('USER_NOT_FOUND')
  if (account.disabled) throw new AuthError('USER_DISABLED')
  if (authTime < account.validSince) throw new AuthError('TOKEN_EXPIRED')
  return { account, authTime }
}

function decode<T extends v.GenericSchema>(schema: T, text: string | undefined): v.InferOutput<T> | undefined {
  try {
    return v.parse(schema, JSON.parse(Buffer.from(text ?? '', 'base64url').toString()))
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof v.ValiError) return undefined
    throw error
  }
}
