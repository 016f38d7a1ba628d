/** Firebase Auth as the local system serves it, with firebase-admin in front. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Accounts, openAccounts } from '../../lambdas/runtime/accounts.ts'
import { Accounts as LocalAccounts } from '../../local/firebase/accounts.ts'
import { serveFirebaseAuth } from '../../local/firebase/auth-endpoint.ts'
import { listen, rawServer } from '../../local/http/server.ts'
import { PROJECT } from './firebase-tokens.ts'

export interface FirebaseServer {
  /** `host:port` */
  host: string
  /** What is there, for tests to look at. */
  local: LocalAccounts
  accounts: Accounts
  /** Everything that was logged: each link that was mailed. */
  mails: string[]
  /** While true it answers nothing but errors. */
  isDown: boolean
  close(): Promise<void>
}

export async function startFirebase(): Promise<FirebaseServer> {
  const folder = mkdtempSync(join(tmpdir(), 'iot-firebase-'))
  const local = new LocalAccounts(join(folder, 'accounts.json'))
  const mails: string[] = []
  const app = rawServer(1_000_000)
  serveFirebaseAuth(app, {
    accounts: local,
    projectId: PROJECT,
    log: (line) => mails.push(line),
    webUrl: () => 'https://web.example.com',
  })
  app.addHook('onRequest', async (_request, reply) => {
    if (server.isDown) await reply.code(400).send({ error: { code: 400, message: 'QUOTA_EXCEEDED' } })
  })
  const host = new URL(await listen(app, 0)).host
  // firebase-admin reads it from there, at each call.
  process.env['FIREBASE_AUTH_EMULATOR_HOST'] = host
  const accounts = await openAccounts({
    ...{ FIREBASE_PROJECT_ID: PROJECT, FIREBASE_API_KEY: 'key', FIREBASE_SECRET_ARN: '' },
    FIREBASE_AUTH_EMULATOR_HOST: host,
  })
  const server: FirebaseServer = {
    ...{ host, local, accounts, mails, isDown: false },
    async close() {
      await app.close()
      rmSync(folder, { recursive: true })
    },
  }
  return server
}
