/** Codes of Firebase that have a sentence of their own in the messages (`signIn.errors`). */
const SENTENCES: Readonly<Record<string, SignInErrorName>> = {
  'auth/invalid-credential': 'wrongCredentials',
  'auth/wrong-password': 'wrongCredentials',
  'auth/user-not-found': 'wrongCredentials',
  'auth/invalid-login-credentials': 'wrongCredentials',
  'auth/invalid-email': 'invalidEmail',
  'auth/missing-email': 'invalidEmail',
  'auth/missing-password': 'missingPassword',
  'auth/user-disabled': 'disabled',
  'auth/too-many-requests': 'tooManyAttempts',
  'auth/network-request-failed': 'network',
  'auth/invalid-action-code': 'codeGone',
  'auth/expired-action-code': 'codeGone',
  'auth/weak-password': 'weakPassword',
  'auth/password-does-not-meet-requirements': 'weakPassword',
}

export type SignInErrorName =
  | 'wrongCredentials'
  | 'invalidEmail'
  | 'missingPassword'
  | 'disabled'
  | 'tooManyAttempts'
  | 'network'
  | 'codeGone'
  | 'weakPassword'
  | 'other'

export interface SignInError {
  readonly name: SignInErrorName
  /** For support, beside the sentence. */
  readonly code: string
}

export function signInErrorOf(error: unknown): SignInError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  return { name: SENTENCES[code] ?? 'other', code }
}
