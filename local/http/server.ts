import { randomUUID } from 'node:crypto'
import Fastify, { type FastifyInstance } from 'fastify'

/** A server that ends open connections when it is closed. */
export const server = (bodyLimit: number): FastifyInstance =>
  Fastify({
    ...{ logger: false, bodyLimit, forceCloseConnections: true, exposeHeadRoutes: false },
    genReqId: () => randomUUID(),
    // Names of Things have 128 characters, ARNs more: the library's own limit is 100.
    routerOptions: { maxParamLength: 2048 },
  })

/** One that leaves bodies as they came, empty ones too: what they mean is for the service behind it. */
export function rawServer(bodyLimit: number): FastifyInstance {
  const app = server(bodyLimit)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.addHook('preValidation', (request, _reply, done) => {
    request.body ??= Buffer.alloc(0)
    done()
  })
  return app
}

/** Listens on 127.0.0.1; gives the URL. */
export const listen = (app: FastifyInstance, port: number): Promise<string> => app.listen({ port, host: '127.0.0.1' })
