/** Everything that answers over HTTP: AWS's own APIs, Firebase Auth, the HTTP and WebSocket APIs, the page. */
import { join } from 'node:path'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { CloudPorts } from './cloud-ports.ts'
import type { Deployment } from './deployment.ts'
import { Accounts } from './firebase/accounts.ts'
import { serveFirebaseAuth } from './firebase/auth-endpoint.ts'
import { serveDocs } from './http/docs-page.ts'
import { MAX_PAYLOAD_BYTES, serveHttpApi } from './http/http-api.ts'
import { listen, rawServer, server } from './http/server.ts'
import { serveStatus } from './http/status-page.ts'
import { serveWeb } from './http/web.ts'
import { serveWebSocketApi } from './http/websocket-api.ts'
import { awsCall, connectionsCall } from './iam/calls.ts'
import type { Guard } from './iam/guard.ts'
import type { CertificateAuthority } from './iot/certificate-authority.ts'
import { serveIotControlPlane } from './iot/control-plane.ts'
import type { Registry } from './iot/registry.ts'
import { serveInvoke } from './lambda/invoke-endpoint.ts'
import { openLogFile } from './lambda/log-file.ts'
import type { Lifetime } from './lifetime.ts'
import { serveMailbox } from './mailbox.ts'
import { type Secrets, serveSecretsManager } from './secrets-manager.ts'
import { FIREBASE } from './synth.ts'

/** AWS SDK calls: their bodies are small, but a certificate signing request or an invocation's event may come. */
const MAX_CALL_BYTES = 6 * 1024 * 1024

export interface AwsOptions {
  ports: CloudPorts
  registry: Registry
  authority: CertificateAuthority
  secrets: Secrets
  deployment: Deployment
  guard: Guard
  /** Where mails are kept. */
  mailFile: string
}

export async function startAwsApis(lifetime: Lifetime, options: AwsOptions): Promise<void> {
  const app = rawServer(MAX_CALL_BYTES)
  options.guard.protect(app, awsCall, refuse)
  app.get('/local/calls', () => options.guard.calls)
  serveIotControlPlane(app, options.registry, options.authority, () => `localhost:${options.ports.mqtt}`)
  serveInvoke(app, options.deployment.functions)
  serveSecretsManager(app, options.secrets)
  serveMailbox(app, options.mailFile)
  app.setNotFoundHandler((request, reply) =>
    reply
      .code(404)
      .header('x-amzn-errortype', 'UnknownOperationException')
      .send({ message: `local/ does not know the call ${request.method} ${request.url}` }),
  )
  await start(lifetime, 'AWS APIs', app, options.ports.aws)
}

/** Gives `host:port`. Whoever has the official emulator names it in FIREBASE_AUTH_EMULATOR_HOST. */
export async function startFirebaseAuth(lifetime: Lifetime, rootDir: string, ports: CloudPorts): Promise<string> {
  const official = process.env.FIREBASE_AUTH_EMULATOR_HOST
  if (official) return official
  const app = rawServer(MAX_CALL_BYTES)
  const log = openLogFile(join(rootDir, 'logs', 'firebase-auth.log'))
  await lifetime.own('log of Firebase Auth', log, () => log.close())
  serveFirebaseAuth(app, {
    accounts: new Accounts(join(rootDir, 'firebase-accounts.json')),
    projectId: FIREBASE.projectId,
    log: log.write,
    webUrl: () => `http://127.0.0.1:${ports.web}`,
  })
  await start(lifetime, 'Firebase Auth', app, ports.firebase)
  return `127.0.0.1:${ports.firebase}`
}

export async function startProductApis(
  lifetime: Lifetime,
  {
    ports,
    deployment,
    firebaseHost,
    guard,
  }: { ports: CloudPorts; deployment: Deployment; firebaseHost: string; guard: Guard },
): Promise<void> {
  const { httpApi, webSocketApi, site, functionNamed, cloudWatch, localize, originOf } = deployment
  const api = rawServer(MAX_PAYLOAD_BYTES)
  serveStatus(api, cloudWatch)
  serveDocs(api)
  serveHttpApi(api, httpApi, functionNamed)
  await start(lifetime, 'HTTP API', api, ports.api)

  const live = rawServer(MAX_PAYLOAD_BYTES)
  guard.protect(live, connectionsCall(webSocketApi), refuse)
  const sockets = serveWebSocketApi(live, webSocketApi, functionNamed)
  await start(lifetime, 'WebSocket API', live, ports.realtime)
  await lifetime.own('WebSocket connections', sockets, () => sockets.close())

  const page = server(MAX_PAYLOAD_BYTES)
  const firebaseEmulatorUrl = `http://${firebaseHost}`
  await serveWeb(page, { site, originOf, localize, firebaseEmulatorUrl, connectSources: [firebaseEmulatorUrl] })
  await start(lifetime, 'web page', page, ports.web)
}

const refuse = (reply: FastifyReply, message: string) =>
  reply.code(403).header('x-amzn-errortype', 'AccessDeniedException').send({ __type: 'AccessDeniedException', message })

async function start(lifetime: Lifetime, name: string, app: FastifyInstance, port: number): Promise<void> {
  await lifetime.own(name, listen(app, port), () => app.close())
}
