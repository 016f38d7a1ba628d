import { join } from 'node:path'
import {
  type ClientSession,
  MessageSecurityMode,
  OPCUAClient,
  SecurityPolicy,
  setErrorLogger,
  setWarningLogger,
  UserTokenType,
} from 'node-opcua-client'
import { OPCUACertificateManager } from 'node-opcua-certificate-manager'
import { messageOf } from '../failure.ts'
import type { SECURITY_MODES } from './opcua-tag.ts'

export interface OpcUaOptions {
  /** opc.tcp://host:port/path */
  endpoint: string
  securityMode: (typeof SECURITY_MODES)[number]
  user?: string | undefined
  password?: string | undefined
  /** The trust list on disk, and this gateway's own certificate: own, trusted, rejected, issuers. */
  pkiDir: string
  timeoutMs: number
}

/** Fixed, because the gateway's own certificate holds it. */
const APPLICATION_URI = 'urn:iot-telemetry:gateway-agent'
/** Twice the longest time that anything takes here: a session that was not closed in order must not stay for long. */
const SESSION_MS = 60_000

export interface OpcUaConnection {
  session: ClientSession
  /** URIs of the server's namespaces, by the numbers that they have in this session. */
  namespaces: readonly string[]
  close: () => Promise<void>
}

const trustLists = new Map<string, OPCUACertificateManager>()

/**
 * The trust list as it is on disk now. One for each folder, kept as long as the process lives: the library would keep
 * each of many for ever, because a client whose connection has failed does not let go of its own.
 */
async function trustListIn(pkiDir: string): Promise<OPCUACertificateManager> {
  let list = trustLists.get(pkiDir)
  if (!list) {
    list = new OPCUACertificateManager({ rootFolder: pkiDir, disableFileWatchers: true })
    trustLists.set(pkiDir, list)
  }
  await list.initialize()
  await list.reloadCertificates()
  return list
}

/** Connects and opens a session. `onLost` is called when the connection is lost; it is never mended by itself. */
export async function connectOpcUa(options: OpcUaOptions, onLost: (reason: Error) => void): Promise<OpcUaConnection> {
  const { endpoint, securityMode, user, password, pkiDir, timeoutMs } = options
  // Whatever goes wrong comes back as a rejection as well.
  setErrorLogger(() => undefined)
  setWarningLogger(() => undefined)
  const certificates = await trustListIn(pkiDir)
  const client = OPCUAClient.create({
    applicationName: 'gateway-agent',
    applicationUri: APPLICATION_URI,
    clientName: 'gateway-agent',
    clientCertificateManager: certificates,
    securityMode: MessageSecurityMode[securityMode],
    securityPolicy: securityMode === 'None' ? SecurityPolicy.None : SecurityPolicy.Basic256Sha256,
    // A server often names itself by a host name that only its own network knows.
    endpointMustExist: false,
    // device.ts connects again.
    connectionStrategy: { maxRetry: 0 },
    requestedSessionTimeout: SESSION_MS,
    transportTimeout: timeoutMs,
    defaultTransactionTimeout: timeoutMs,
  })
  for (const event of ['connection_lost', 'close', 'abort'] as const) {
    client.on(event, () => onLost(new Error('the server closed the connection')))
  }
  const close = () => within(timeoutMs, client.disconnect()).catch(() => undefined)
  try {
    await within(timeoutMs, client.connect(endpoint))
    const session = await within(
      timeoutMs,
      client.createSession(
        user === undefined
          ? { type: UserTokenType.Anonymous }
          : { type: UserTokenType.UserName, userName: user, password: password ?? '' },
      ),
    )
    session.on('session_closed', () => onLost(new Error('the server closed the session')))
    return { session, namespaces: await within(timeoutMs, session.readNamespaceArray()), close }
  } catch (error) {
    await close()
    throw explained(error, pkiDir)
  }
}

/** Rejects when `promise` has not settled in time: requests of the library may hang while a connection is down. */
export async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** What to do about the refusals that a person has to solve. */
function explained(error: unknown, pkiDir: string): Error {
  const message = messageOf(error)
  const cause = { cause: error }
  if (/untrusted|not trusted/i.test(message) && !/BadSecurityChecksFailed/.test(message)) {
    return new Error(
      `the server's certificate is not trusted: compare it with the server, then move it from ${join(pkiDir, 'rejected')} to ${join(pkiDir, 'trusted/certs')}`,
      cause,
    )
  }
  if (/BadSecurityChecksFailed|BadCertificateUntrusted/.test(message)) {
    return new Error(
      `the server does not trust this gateway: permit ${join(pkiDir, 'own/certs')} there (${message})`,
      cause,
    )
  }
  if (/BadIdentityToken|BadUserAccessDenied/.test(message)) {
    return new Error(`the server refuses user and password (${message})`, cause)
  }
  return new Error(message, cause)
}
