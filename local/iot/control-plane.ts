/** AWS IoT's control plane, and of its data plane the connections, over HTTP, as the SDK's clients speak to them (REST with JSON). */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import * as v from 'valibot'
import type { CertificateAuthority } from './certificate-authority.ts'
import { certificateOperations } from './operations/certificates.ts'
import { IotError, notFound } from './operations/iot-error.ts'
import { policyOperations } from './operations/policies.ts'
import { thingOperations } from './operations/things.ts'
import type { Registry } from './registry.ts'

const DEFAULT_PAGE = 25
const Principal = v.pipe(v.string(), v.nonEmpty())
const ThingBody = v.object({
  attributePayload: v.optional(v.object({ attributes: v.optional(v.record(v.string(), v.string())) })),
})

/** `endpoint` is `host:port` of the local broker, given as the account's data endpoint. */
export function serveIotControlPlane(
  app: FastifyInstance,
  registry: Registry,
  authority: CertificateAuthority,
  endpoint: () => string,
): void {
  const things = thingOperations(registry)
  const policies = policyOperations(registry)
  const certificates = certificateOperations(registry, authority)
  const query = (request: FastifyRequest, name: string) => (request.query as Record<string, string | undefined>)[name]
  const body = (request: FastifyRequest, name: string) => {
    const text = String(request.body)
    return v.parse(v.string(), (JSON.parse(text === '' ? '{}' : text) as Record<string, unknown>)[name])
  }
  const attributesOf = (request: FastifyRequest) => {
    const text = String(request.body)
    return v.parse(ThingBody, JSON.parse(text === '' ? '{}' : text)).attributePayload?.attributes
  }
  const pageOf = <Item>(list: string, request: FastifyRequest, items: Item[]) => {
    const from = Number(query(request, 'marker') ?? query(request, 'nextToken') ?? 0)
    const to = from + Number(query(request, 'pageSize') ?? query(request, 'maxResults') ?? DEFAULT_PAGE)
    const next = items.length > to ? String(to) : undefined
    return { [list]: items.slice(from, to), ...(next && { [list === 'things' ? 'nextToken' : 'nextMarker']: next }) }
  }
  const principal = (request: FastifyRequest) => v.parse(Principal, request.headers['x-amzn-principal'])

  const routes: [method: string, path: string, run: (request: FastifyRequest, name: string) => unknown][] = [
    ['GET', '/things', (request) => pageOf('things', request, things.listThings().things)],
    ['POST', '/things/:name', (request, name) => things.createThing(name, attributesOf(request))],
    ['GET', '/things/:name', (_, name) => things.describeThing(name)],
    ['DELETE', '/things/:name', (_, name) => things.deleteThing(name)],
    ['PUT', '/things/:name/principals', (request, name) => things.attachPrincipal(name, principal(request))],
    ['DELETE', '/things/:name/principals', (request, name) => things.detachPrincipal(name, principal(request))],
    ['GET', '/things/:name/principals', (_, name) => things.listPrincipals(name)],
    ['GET', '/policies', (request) => pageOf('policies', request, policies.listPolicies().policies)],
    ['POST', '/policies/:name', (request, name) => policies.createPolicy(name, body(request, 'policyDocument'))],
    ['GET', '/policies/:name', (_, name) => policies.getPolicy(name)],
    ['DELETE', '/policies/:name', (_, name) => policies.deletePolicy(name)],
    [
      'POST',
      '/policies/:name/version',
      (request, name) =>
        policies.createVersion(name, body(request, 'policyDocument'), query(request, 'setAsDefault') === 'true'),
    ],
    ['GET', '/policies/:name/version', (_, name) => policies.listVersions(name)],
    [
      'DELETE',
      '/policies/:name/version/:version',
      (request, name) => policies.deleteVersion(name, (request.params as { version: string }).version),
    ],
    ['POST', '/policy-targets/:name', (_, name) => policies.listTargets(name)],
    ['PUT', '/target-policies/:name', (request, name) => policies.attachPolicy(name, body(request, 'target'))],
    ['POST', '/target-policies/:name', (request, name) => policies.detachPolicy(name, body(request, 'target'))],
    ['POST', '/attached-policies/:name', (_, target) => policies.listAttachedPolicies(target)],
    [
      'POST',
      '/certificates',
      (request) =>
        certificates.createFromCsr(
          body(request, 'certificateSigningRequest'),
          query(request, 'setAsActive') === 'true',
        ),
    ],
    ['GET', '/certificates', (request) => pageOf('certificates', request, certificates.list().certificates)],
    ['GET', '/certificates/:name', (_, id) => certificates.describe(id)],
    ['PUT', '/certificates/:name', (request, id) => certificates.update(id, query(request, 'newStatus') ?? '')],
    ['DELETE', '/certificates/:name', (_, id) => certificates.delete(id)],
    ['GET', '/endpoint', () => ({ endpointAddress: endpoint() })],
    [
      'DELETE',
      '/connections/:name',
      (_, clientId) => {
        const connection = registry.connections.get(clientId)
        if (!connection) throw notFound(`Connection of ${clientId}`)
        connection.close()
        return {}
      },
    ],
  ]
  for (const [method, url, run] of routes) {
    app.route({
      method,
      url,
      errorHandler: (error, _request, reply) => {
        if (!(error instanceof IotError)) throw error
        const { code, status, message, details } = error
        void reply
          .code(status)
          .header('x-amzn-errortype', code)
          .send({ message, ...details })
      },
      handler: async (request, reply) => {
        const { name = '' } = request.params as { name?: string }
        return reply.send(await run(request, name))
      },
    })
  }
}
