import { initializeApp } from 'firebase/app'
import {
  browserLocalPersistence,
  confirmPasswordReset,
  connectAuthEmulator,
  indexedDBLocalPersistence,
  initializeAuth,
  onAuthStateChanged,
  sendPasswordResetEmail,
  signInWithEmailAndPassword,
  signOut,
  verifyPasswordResetCode,
} from 'firebase/auth'
import { ref } from 'vue'
import type { WebConfig } from '../../../schemas/api.ts'
import { SessionEnded, type AuthSession } from './auth-session.ts'
import { signInErrorOf } from './sign-in-errors.ts'

/** What it says of a session that is over; everything else (no network, a quota, a failure of its own) passes. */
const ENDED = ['auth/user-token-expired', 'auth/user-disabled', 'auth/invalid-user-token', 'auth/invalid-refresh-token']

export function createFirebaseSession(config: WebConfig['firebase'], language: () => string): AuthSession {
  const { emulatorUrl, ...firebase } = config
  // Not getAuth(), which brings the pop-up flows of other providers with it.
  const auth = initializeAuth(initializeApp(firebase), {
    persistence: [indexedDBLocalPersistence, browserLocalPersistence],
  })
  if (emulatorUrl !== undefined) connectAuthEmulator(auth, emulatorUrl, { disableWarnings: true })

  const email = ref<string | null>(null)
  onAuthStateChanged(auth, (user) => (email.value = user?.email ?? null))

  return {
    email,
    ready: auth.authStateReady(),
    async signIn(address, password) {
      const { user } = await signInWithEmailAndPassword(auth, address, password)
      email.value = user.email
    },
    async sendPasswordReset(address) {
      auth.languageCode = language()
      try {
        await sendPasswordResetEmail(auth, address)
      } catch (error) {
        // Of projects that do not hide it.
        if (signInErrorOf(error).code !== 'auth/user-not-found') throw error
      }
    },
    emailOfCode: (code) => verifyPasswordResetCode(auth, code),
    setPassword: (code, password) => confirmPasswordReset(auth, code, password),
    signOut: () => signOut(auth),
    async idToken(fresh) {
      if (!auth.currentUser) throw new SessionEnded('nobody is signed in')
      try {
        return await auth.currentUser.getIdToken(fresh)
      } catch (cause) {
        const { code } = signInErrorOf(cause)
        throw ENDED.includes(code) ? new SessionEnded(code, { cause }) : cause
      }
    },
  }
}
