import type { FastifyInstance } from 'fastify'
import type { LambdaFunction } from './function.ts'

/** The Invoke operation of AWS Lambda's own API, for `npm run admin` and tests. */
export function serveInvoke(app: FastifyInstance, functions: Map<string, LambdaFunction>): void {
  app.post<{ Params: { name: string } }>('/2015-03-31/functions/:name/invocations', async (request, reply) => {
    // A name, or an ARN that ends in one.
    const name = decodeURIComponent(request.params.name).split(':').at(-1)!
    const target = functions.get(name)
    if (!target) {
      return reply
        .code(404)
        .header('x-amzn-errortype', 'ResourceNotFoundException')
        .send({ Type: 'User', Message: `Function not found: ${name}. There are: ${[...functions.keys()].join(', ')}` })
    }
    const event = (request.body as Buffer).length > 0 ? (JSON.parse(String(request.body)) as unknown) : {}
    if (request.headers['x-amz-invocation-type'] === 'Event') {
      void target.invoke(event) // its errors are in its log
      return reply.code(202).send()
    }
    const { functionError, payload } = await target.invoke(event)
    if (functionError) void reply.header('x-amz-function-error', functionError)
    return reply.header('x-amz-executed-version', '$LATEST').type('application/json').send(JSON.stringify(payload))
  })
}
