import { inject, type InjectionKey, type Ref } from 'vue'

/** Who is signed in, and the ways in and out. firebase-session.ts is the one that the app uses. */
export interface AuthSession {
  /** E-mail of who is signed in; null when nobody is. Only meaningful once `ready`. */
  readonly email: Ref<string | null>
  /** Whether a session of before has been restored is known. */
  readonly ready: Promise<void>
  signIn(email: string, password: string): Promise<void>
  /** Whether there is such an account is told to nobody. */
  sendPasswordReset(email: string): Promise<void>
  /** Whose password the code of a link sets. */
  emailOfCode(code: string): Promise<string>
  setPassword(code: string, password: string): Promise<void>
  signOut(): Promise<void>
  /**
   * The Firebase ID token; `fresh` asks for a new one even if the old has not expired. Rejects with SessionEnded when
   * Firebase gives none any more (signed out, disabled, password changed), with another error when it was not reached.
   */
  idToken(fresh: boolean): Promise<string>
}

export class SessionEnded extends Error {}

export const authSessionKey: InjectionKey<AuthSession> = Symbol('auth session')

export function useAuthSession(): AuthSession {
  const session = inject(authSessionKey)
  if (!session) throw new Error('main.ts provides the session before anything uses it')
  return session
}
