import Fastify, { type FastifyInstance } from 'fastify'

/** A Fastify server that leaves bodies as they came: what they mean is for the service behind it. */
export function rawServer(bodyLimit: number): FastifyInstance {
  const app = Fastify({ logger: false, bodyLimit, forceCloseConnections: true, exposeHeadRoutes: false })
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
