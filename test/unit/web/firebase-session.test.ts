import { afterAll, beforeAll, expect, it } from 'vitest'
import { SessionEnded } from '../../../web/src/auth/auth-session.ts'
import { createFirebaseSession } from '../../../web/src/auth/firebase-session.ts'
import { type FirebaseServer, startFirebase } from '../../helpers/firebase-server.ts'
import { PROJECT } from '../../helpers/firebase-tokens.ts'

let firebase: FirebaseServer
beforeAll(async () => void (firebase = await startFirebase()))
afterAll(() => firebase.close())

it('a session goes on while Firebase is overloaded, and ends when it says so', async () => {
  const emulatorUrl = `http://${firebase.host}`
  const session = createFirebaseSession({ apiKey: 'k', authDomain: 'd', projectId: PROJECT, emulatorUrl }, () => 'es')
  const email = 'ana@granix.example'
  firebase.local.create(email, { password: 'secreto-1' })
  await session.signIn(email, 'secreto-1')
  firebase.isDown = true
  const failure = await session.idToken(true).catch((error: unknown) => error)
  expect(failure).toMatchObject({ code: 'auth/quota-exceeded' })
  expect(failure).not.toBeInstanceOf(SessionEnded)
  firebase.isDown = false
  expect(await session.idToken(true)).toMatch(/^ey/)
  const { localId } = firebase.local.all()[0]!
  firebase.local.change(localId, { disabled: true })
  await expect(session.idToken(true)).rejects.toBeInstanceOf(SessionEnded)
})
