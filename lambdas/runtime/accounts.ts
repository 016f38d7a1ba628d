/**
 * Accounts at Firebase: who can sign in at all. What they may do here is in our table `users`. Import it when it is
 * needed only (`await import`): firebase-admin takes a tenth of a second to load, and tokens are verified without it.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { cert, initializeApp } from 'firebase-admin/app'
import { type Auth, FirebaseAuthError, getAuth } from 'firebase-admin/auth'
import * as v from 'valibot'
import { logger } from './frame.ts'
import { readSecret } from './secrets.ts'

const ServiceAccount = v.object({ project_id: v.string(), client_email: v.string(), private_key: v.string() })

interface Settings {
  FIREBASE_PROJECT_ID: string
  FIREBASE_API_KEY: string
  FIREBASE_SECRET_ARN: string
  /** firebase-admin reads it itself; where it is set there is no key to present. */
  FIREBASE_AUTH_EMULATOR_HOST?: string | undefined
}

/** Throw AccountsUnavailable when Firebase does not answer, or refuses for a reason of ours. */
export interface Accounts {
  /**
   * Uid of the account with this address, made where there was none. One that is there and whose address nobody has
   * verified may be a stranger's, who waits for an invitation: its password and its sessions end. A given password
   * is set on a new account only.
   */
  ensure(email: string, password?: string): Promise<{ uid: string; made: boolean }>
  /** That it is gone already is what was wanted. */
  remove(uid: string): Promise<void>
  setDisabled(uid: string, disabled: boolean): Promise<void>
  /** No new ID token without signing in again; those that are out live on for up to an hour. */
  endSessions(uid: string): Promise<void>
  /** Sets the password of the account, once; with it the address is verified. */
  invitationLink(email: string): Promise<string>
  /** Firebase's own mail with such a link. False when it was not sent. */
  mailInvitation(email: string, locale: 'en' | 'es' | null): Promise<boolean>
}

export class AccountsUnavailable extends Error {
  override name = 'AccountsUnavailable'
}

export async function openAccounts(settings: Settings): Promise<Accounts> {
  const auth = await openAuth(settings)
  return {
    ensure: (email, password) => asked(() => ensureAccount(auth, email, password)),
    remove: (uid) => asked(() => ignoringAbsence(() => auth.deleteUser(uid))),
    setDisabled: (uid, disabled) => asked(() => ignoringAbsence(() => auth.updateUser(uid, { disabled }))),
    endSessions: (uid) => asked(() => ignoringAbsence(() => auth.revokeRefreshTokens(uid))),
    invitationLink: (email) => asked(() => auth.generatePasswordResetLink(email)),
    mailInvitation: (email, locale) => mailInvitation(settings, email, locale),
  }
}

/** Creating accounts, other than verifying tokens, needs the project's service account. */
async function openAuth(settings: Settings): Promise<Auth> {
  const projectId = settings.FIREBASE_PROJECT_ID
  if (settings.FIREBASE_AUTH_EMULATOR_HOST !== undefined) return getAuth(initializeApp({ projectId }, randomUUID()))
  const secret = v.safeParse(
    v.pipe(v.string(), v.parseJson(), ServiceAccount),
    await readSecret(settings.FIREBASE_SECRET_ARN),
  )
  if (!secret.success) {
    throw new AccountsUnavailable(
      `Put the service account key (JSON) of Firebase project ${projectId} into ${settings.FIREBASE_SECRET_ARN}`,
    )
  }
  const { project_id, client_email: clientEmail, private_key: privateKey } = secret.output
  const credential = cert({ projectId: project_id, clientEmail, privateKey })
  return getAuth(initializeApp({ projectId, credential }, randomUUID()))
}

async function ensureAccount(auth: Auth, email: string, password: string | undefined) {
  try {
    const { uid, emailVerified } = await auth.getUserByEmail(email)
    if (!emailVerified) {
      await auth.updateUser(uid, { password: password ?? randomBytes(32).toString('base64url') })
      await auth.revokeRefreshTokens(uid)
    }
    return { uid, made: false }
  } catch (error) {
    if (!isAbsence(error)) throw error
    const { uid } = await auth.createUser({ email, ...(password !== undefined && { password }) })
    return { uid, made: true }
  }
}

/** https://cloud.google.com/identity-platform/docs/reference/rest/v1/accounts/sendOobCode */
async function mailInvitation(settings: Settings, email: string, locale: string | null): Promise<boolean> {
  const host = settings.FIREBASE_AUTH_EMULATOR_HOST
  const base = `${host === undefined ? 'https:/' : `http://${host}`}/identitytoolkit.googleapis.com/v1`
  try {
    const answer = await fetch(`${base}/accounts:sendOobCode?key=${settings.FIREBASE_API_KEY}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(locale !== null && { 'x-firebase-locale': locale }) },
      body: JSON.stringify({ requestType: 'PASSWORD_RESET', email }),
      signal: AbortSignal.timeout(5_000),
    })
    if (!answer.ok) throw new Error(`Firebase answered ${answer.status}: ${await answer.text()}`)
    return true
  } catch (error) {
    logger.warn('The mail with an invitation was not sent', { reason: (error as Error).message })
    return false
  }
}

const isAbsence = (error: unknown) => error instanceof FirebaseAuthError && error.code === 'auth/user-not-found'

async function ignoringAbsence(call: () => Promise<unknown>): Promise<void> {
  try {
    await call()
  } catch (error) {
    if (!isAbsence(error)) throw error
  }
}

async function asked<Result>(call: () => Promise<Result>): Promise<Result> {
  try {
    return await call()
  } catch (error) {
    throw new AccountsUnavailable((error as Error).message, { cause: error })
  }
}
