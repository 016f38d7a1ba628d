import { type Auth, FirebaseAuthError } from 'firebase-admin/auth'

export interface Identity {
  uid: string
  /** Empty for an account without e-mail. */
  email: string
}

/** What is wrong with the token itself or its account. Every other failure is ours, and no reason to turn a user away. */
const REFUSALS = [
  'auth/argument-error',
  'auth/id-token-expired',
  'auth/id-token-revoked',
  'auth/user-disabled',
  'auth/user-not-found',
]

/**
 * Undefined for a token that is not valid. Throws when that could not be found out. A revoked session is not looked for:
 * it would cost a call per request, and `users.disabled_at` is read instead.
 */
export async function verifyToken(auth: Auth, token: string): Promise<Identity | undefined> {
  try {
    const { uid, email = '' } = await auth.verifyIdToken(token)
    return { uid, email }
  } catch (error) {
    if (isRefusal(error)) return undefined
    throw error
  }
}

function isRefusal(error: unknown): boolean {
  if (!(error instanceof FirebaseAuthError) || !REFUSALS.includes(error.code)) return false
  // firebase-admin gives a failed fetch of Google's certificates the code of a malformed token.
  return !error.message.startsWith('Error fetching public keys')
}
