/**
 * AWS IoT Core's message broker for devices: MQTT 3.1.1 over mutual TLS. Who may do what is decided by the certificate's
 * policies alone. Limits: https://docs.aws.amazon.com/general/latest/gr/iot-core.html
 *
 * A publish is on its queues before its PUBACK leaves. AWS acknowledges when the broker has taken it; a broker that is
 * ended by kill -9 would lose what lies in between.
 */
import { createServer } from 'node:tls'
import { Aedes, type Client, type ConnectPacket, type PublishPacket } from 'aedes'
import { arn } from '../aws-identity.ts'
import { type CertificateAuthority, certificateId } from './certificate-authority.ts'
import { Discarder } from './discarder.ts'
import type { PolicyAction } from './policy.ts'
import type { Registry } from './registry.ts'
import { keepRetainedMessages } from './retained-messages.ts'

export interface Broker {
  port: number
  stop(): Promise<void>
}

export interface BrokerOptions {
  port: number
  registry: Registry
  authority: CertificateAuthority
  retainedFile: string
  /** Has stored the message when it returns. */
  onPublish: (message: { topic: string; payload: Buffer; clientId: string }) => void
  log: (line: string) => void
}

/** https://docs.aws.amazon.com/general/latest/gr/iot-core.html, message broker limits */
const MAX_PAYLOAD_BYTES = 128 * 1024
const MAX_TOPIC = { bytes: 256, slashes: 7 }
const KEEP_ALIVE_SEC = { least: 30, most: 1200 }

export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { registry, authority, log, onPublish } = options
  const discarder = new Discarder()
  const certificates = new WeakMap<object, string>()
  const wills = new WeakMap<Client, NonNullable<ConnectPacket['will']>>()
  const may = (client: Client, action: PolicyAction, resource: string) =>
    registry.allows(certificates.get(client.conn) ?? '', client.id, action, arn('iot', resource))
  const mayPublish = (client: Client, { topic, retain }: { topic: string; retain?: boolean | undefined }) =>
    may(client, 'Publish', `topic/${topic}`) && (!retain || may(client, 'RetainPublish', `topic/${topic}`))
  const refusal = (client: Client, what: string) => {
    log(`${client.id}: refused ${what}`)
    return new Error(`refused ${what}`)
  }
  const problemOf = (client: Client, { qos, payload, topic, retain }: PublishPacket): Error | undefined => {
    if (qos === 2) return refusal(client, 'publish with QoS 2')
    if (payload.length > MAX_PAYLOAD_BYTES) return refusal(client, `payload of ${payload.length} bytes`)
    if (Buffer.byteLength(topic) > MAX_TOPIC.bytes || topic.split('/').length - 1 > MAX_TOPIC.slashes)
      return refusal(client, `a topic of ${topic.length} characters: ${topic}`)
    if (!mayPublish(client, { topic, retain }))
      return refusal(client, `publish${retain ? ' retained' : ''} to ${topic}`)
    return undefined
  }
  /** An error ends the connection without a PUBACK: the gateway sends it again. */
  const take = (client: Client, packet: PublishPacket): Error | null => {
    if (discarder.isTooFast(client, packet)) {
      log(`${client.id}: more in a second than AWS IoT takes, discarded ${packet.topic}`)
      discarder.discard(packet)
      return null
    }
    try {
      onPublish({ topic: packet.topic, payload: Buffer.from(packet.payload), clientId: client.id })
      return null
    } catch (error) {
      log(`${client.id}: ${packet.topic} could not be stored: ${String(error)}`)
      return error instanceof Error ? error : new Error(String(error))
    }
  }

  const broker = await Aedes.createBroker({
    preConnect(client, packet, done) {
      // A smaller keep-alive counts as 30 s, none as the longest.
      const { least, most } = KEEP_ALIVE_SEC
      packet.keepalive = packet.keepalive ? Math.min(Math.max(packet.keepalive, least), most) : most
      if (packet.will) wills.set(client, packet.will)
      done(null, true)
    },
    authenticate(client, _username, _password, done) {
      const will = wills.get(client)
      const problem = !may(client, 'Connect', `client/${client.id}`)
        ? 'connect'
        : will && !mayPublish(client, will) && `connect with a will on ${will.topic}`
      if (problem) refusal(client, problem)
      done(null, !problem) // false: CONNACK "not authorized", then closed
    },
    authorizePublish(client, packet, done) {
      // Without a client it is the broker's own.
      done(client && (problemOf(client, packet) ?? take(client, packet)))
    },
    authorizeSubscribe(client, subscription, done) {
      if (may(client, 'Subscribe', `topicfilter/${subscription.topic}`)) done(null, subscription)
      else done(refusal(client, `subscribe to ${subscription.topic}`))
    },
    authorizeForward: (client, packet) => (may(client, 'Receive', `topic/${packet.topic}`) ? packet : null),
  })
  const retained = keepRetainedMessages(broker, options.retainedFile)
  const connected = new Map<string, Client>()
  registry.connections = connected
  broker.on('client', (client) => connected.set(client.id, client))
  broker.on('clientDisconnect', (client) => {
    // After a takeover the id is another connection's.
    if (connected.get(client.id) === client) connected.delete(client.id)
  })
  broker.on('clientError', (client, error) => log(`${client.id}: connection ended: ${error.message}`))
  broker.on('connectionError', (_client, error) => log(`connection ended before its CONNECT: ${error.message}`))
  const endRefused = () => {
    for (const client of connected.values()) {
      if (may(client, 'Connect', `client/${client.id}`)) continue
      log(`${client.id}: certificate or policy withdrawn, connection ended`)
      client.close()
    }
  }
  registry.on('change', endRefused)

  const tls = {
    cert: authority.server.certificatePem,
    key: authority.server.keyPem,
    ca: authority.caPem,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2' as const,
  }
  const server = createServer(tls, (socket) => {
    // Read now: a closed socket has none any more, and its will is judged after the close.
    const certificate = socket.getPeerX509Certificate()
    if (certificate) certificates.set(socket, certificateId(certificate.raw))
    broker.handle(socket)
  })
  server.on('tlsClientError', (error) => log(`TLS connection refused: ${error.message}`))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, '127.0.0.1', resolve)
  })
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : options.port,
    async stop() {
      registry.off('change', endRefused)
      const closed = new Promise((resolve) => server.close(resolve))
      await new Promise<void>((resolve) => broker.close(() => resolve()))
      await closed
      retained.save()
    },
  }
}
