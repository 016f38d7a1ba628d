import { createPublicKey, verify, X509Certificate } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pkcs10CertificateRequest } from '@peculiar/x509'
import * as v from 'valibot'
import type { Identity, GatewayPlace } from '../../../gateway-agent/src/identity.ts'
import { RenewalRequest, type Enrolment, type IdentityState } from '../../../schemas/api.ts'
import { signedText } from '../../../schemas/identity.ts'
import type { TestAuthority } from './test-authority.ts'
import type { TestBroker } from './test-broker.ts'
import { certificateIdOf } from './test-identity.ts'

const Asked = v.object({ ...RenewalRequest.entries, csr: v.optional(RenewalRequest.entries.csr) })
type Asked = v.InferOutput<typeof Asked>

/** Of a request: it has come, and nothing was done; it was done, and not yet answered. */
export type Moment = `${'before' | 'after'} ${'check' | 'renew' | 'confirm'}`

/** What the cloud API does for the identity of one gateway, by its contract: every request can be repeated. */
export interface TestCloud {
  url: string
  /** A person has asked for a new certificate. */
  isRotating: boolean
  place: GatewayPlace
  /** By id, those that still hold; PEM. */
  valid: Map<string, string>
  /** While true, nothing is answered but 503. */
  isAway: boolean
  /** Called at each moment of a request; true breaks the connection off instead of going on. */
  interrupt: (moment: Moment) => boolean
  stop: () => Promise<void>
}

export async function startCloud(
  authority: TestAuthority,
  broker: TestBroker,
  identityFor: (apiUrl: string) => Promise<Identity>,
): Promise<{ cloud: TestCloud; identity: Identity }> {
  const server = createServer((request, response) => void serve(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const identity = await identityFor(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const { apiUrl, thingName, endpoint, topics, tenant, province, plant, certificateId, certificatePem } = identity
  const cloud: TestCloud = {
    url: apiUrl,
    isRotating: false,
    place: { endpoint, topics, tenant, province, plant },
    valid: new Map([[certificateId, certificatePem]]),
    isAway: false,
    interrupt: () => false,
    stop: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  const ended: string[] = []
  const first = new X509Certificate(certificatePem)
  const validity = { notBefore: new Date(first.validFrom), notAfter: new Date(first.validTo) }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const verb = request.url!.replace('/v1/identity/', '') as 'check' | 'renew' | 'confirm'
    if (cloud.isAway) return void response.writeHead(503).end('{"code":"internal","detail":"away"}')
    if (cloud.interrupt(`before ${verb}`)) return void request.socket.destroy()
    const asked = v.parse(Asked, JSON.parse(body))
    const pem = cloud.valid.get(asked.certificateId)
    const isSigned =
      pem !== undefined &&
      asked.thingName === thingName &&
      verify(
        'sha256',
        Buffer.from(signedText(verb, { ...asked, csr: asked.csr ?? '' })),
        new X509Certificate(pem).publicKey,
        Buffer.from(asked.signature, 'base64'),
      )
    if (!isSigned) return void response.writeHead(401).end('{"code":"unauthorized","detail":"not signed"}')
    const answer = await DO[verb](asked)
    if (cloud.interrupt(`after ${verb}`)) return void request.socket.destroy()
    response.writeHead(answer ? 200 : 204).end(answer && JSON.stringify(answer))
  }

  const DO = {
    check: (): IdentityState => ({
      lifecycle: cloud.isRotating || cloud.valid.size > 1 ? 'rotating' : 'active',
      rotate: cloud.isRotating,
      ...cloud.place,
    }),
    async renew({ csr }: Asked): Promise<Enrolment> {
      const key = keyOf(csr!)
      let certificatePem = [...cloud.valid.values()].find((each) => publicKeyOf(each) === key)
      if (!certificatePem) {
        certificatePem = await authority.signRequest(csr!, thingName, validity)
        cloud.valid.set(certificateIdOf(certificatePem), certificatePem)
      }
      const id = certificateIdOf(certificatePem)
      return { thingName, certificateId: id, certificatePem, caPem: authority.caPem, ...cloud.place }
    },
    async confirm({ certificateId: confirmed }: Asked): Promise<undefined> {
      for (const [id, pem] of cloud.valid) {
        if (id === confirmed) continue
        cloud.valid.delete(id)
        ended.push(pem)
      }
      cloud.isRotating = false
      broker.revoke(await authority.revoke(ended))
    },
  }
  return { cloud, identity }
}

const spki = (key: ReturnType<typeof createPublicKey>) => key.export({ type: 'spki', format: 'pem' }).toString()
const publicKeyOf = (pem: string) => spki(new X509Certificate(pem).publicKey)
const keyOf = (csr: string) =>
  spki(
    createPublicKey({
      key: Buffer.from(new Pkcs10CertificateRequest(csr).publicKey.rawData),
      format: 'der',
      type: 'spki',
    }),
  )
