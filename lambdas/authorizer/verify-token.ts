import { type Auth, FirebaseAuthError } from 'firebase-admin/auth'

export interface Identity {
  uid: string
  /** Empty for an account without e-mail. */
  email: string
  /** Epoch seconds of the sign-in: the API refuses one that was before its sessions were ended. */
  authTime: number
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
 * Undefined for a token that is not valid. Throws when that could not be found out. A revoked session is not looked for at
 * Firebase, which would cost a call per request: the API compares `users.sessions_valid_after` and `disabled_at`.
 */
export async function verifyToken(auth: Auth, token: string): Promise<Identity | undefined> {
  try {
    const { uid, email = '', auth_time: authTime } = await auth.verifyIdToken(token)
    return { uid, email, authTime }
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
