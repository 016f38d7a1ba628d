import { cert, initializeApp } from 'firebase-admin/app'
import { type Auth, FirebaseAuthError, getAuth } from 'firebase-admin/auth'
import * as v from 'valibot'
import { readSecret } from '../runtime/secrets.ts'

const ServiceAccount = v.object({ project_id: v.string(), client_email: v.string(), private_key: v.string() })

interface Settings {
  FIREBASE_PROJECT_ID: string
  FIREBASE_SECRET_ARN: string
  /** firebase-admin reads it itself; where it is set there is no key to present. */
  FIREBASE_AUTH_EMULATOR_HOST?: string | undefined
}

/** Creating accounts, other than verifying tokens, needs the project's service account. */
export async function openFirebase(settings: Settings): Promise<Auth> {
  const projectId = settings.FIREBASE_PROJECT_ID
  if (settings.FIREBASE_AUTH_EMULATOR_HOST !== undefined) return getAuth(initializeApp({ projectId }))
  const secret = v.safeParse(
    v.pipe(v.string(), v.parseJson(), ServiceAccount),
    await readSecret(settings.FIREBASE_SECRET_ARN),
  )
  if (!secret.success) {
    throw new Error(
      `Put the service account key (JSON) of Firebase project ${projectId} into ${settings.FIREBASE_SECRET_ARN}`,
    )
  }
  const { project_id, client_email: clientEmail, private_key: privateKey } = secret.output
  return getAuth(initializeApp({ projectId, credential: cert({ projectId: project_id, clientEmail, privateKey }) }))
}

/** Uid of the account with this address; made when there is none. The password of one that exists is not touched. */
export async function ensureAccount(auth: Auth, email: string, password: string | undefined): Promise<string> {
  try {
    return (await auth.getUserByEmail(email)).uid
  } catch (error) {
    if (!(error instanceof FirebaseAuthError) || error.code !== 'auth/user-not-found') throw error
    const account = await auth.createUser({ email, ...(password !== undefined && { password }) })
    return account.uid
  }
}
