import type { AddressInfo } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import { Aedes, type AedesPublishPacket } from 'aedes'
import type { TestAuthority } from './test-authority.ts'

export interface Received {
  clientId: string | undefined
  topic: string
  payload: string
  retain: boolean
}

export interface TestBroker {
  port: number
  /** Everything published, wills included, in order; a repeated publish is there twice. */
  received: Received[]
  /** While false, the broker takes messages and acknowledges none. */
  acknowledges: boolean
  /** Each PUBACK comes this late. */
  delayMs: number
  /** Each PUBACK comes twice. */
  repeats: boolean
  /** A topic that the policy forbids: publishing to it ends the connection. */
  forbids: (topic: string) => boolean
  /** Called at each CONNECT, before it is answered. */
  onConnect: () => void
  /** Cuts all connections, as when the line breaks. */
  cut: () => void
  /** From now on refuses the certificates that this list (PEM) names. */
  revoke: (revocationList: string) => void
  stop: () => Promise<void>
}

/** A real MQTT broker behind mutual TLS, on a free port unless one is given. */
export async function startBroker(authority: TestAuthority, port = 0): Promise<TestBroker> {
  const aedes = await Aedes.createBroker()
  const { certificatePem, privateKey } = await authority.issue('broker')
  const sockets = new Set<TLSSocket>()
  const context = {
    cert: certificatePem,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    ca: authority.caPem,
  }
  const server = createServer({ ...context, requestCert: true, rejectUnauthorized: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    aedes.handle(socket)
  })
  const broker: TestBroker = {
    port: 0,
    received: [],
    acknowledges: true,
    delayMs: 0,
    repeats: false,
    forbids: () => false,
    onConnect: () => undefined,
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    revoke: (revocationList) => server.setSecureContext({ ...context, crl: revocationList }),
    async stop() {
      broker.cut()
      await new Promise((resolve) => aedes.close(() => server.close(resolve)))
    },
  }
  aedes.authorizePublish = (client, packet, allow) => {
    const { topic, payload, retain, messageId = 0 } = packet as AedesPublishPacket & { messageId?: number }
    if (broker.forbids(topic)) {
      allow(new Error('forbidden'))
      return
    }
    broker.received.push({ clientId: client?.id, topic, payload: payload.toString(), retain })
    // aedes sends the PUBACK after this call-back.
    if (!broker.acknowledges) return
    if (broker.repeats) client?.conn.write(Buffer.from([0x40, 2, messageId >> 8, messageId & 0xff]))
    if (broker.delayMs > 0) setTimeout(() => allow(null), broker.delayMs)
    else allow(null)
  }
  aedes.preConnect = (_client, _packet, done) => {
    broker.onConnect()
    done(null, true)
  }
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  broker.port = (server.address() as AddressInfo).port
  return broker
}
