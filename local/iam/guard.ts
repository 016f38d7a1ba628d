/**
 * Judges the AWS calls of the functions by their roles. Each function signs with an access key that is its name; other
 * callers (`npm run admin`, tests) stand for an administrator of the account.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isAllowed, type Role } from './roles.ts'

export interface AwsCall {
  action: string
  /** ARN; `*` where the action knows no resources. */
  resource: string
}

export class Guard {
  #roles = new Map<string, Role>()
  readonly #allowed = new Map<string, AwsCall & { functionName: string }>()

  /** By the functions' names. The services that are guarded start before the templates are read. */
  learn(roles: Map<string, Role>): void {
    this.#roles = roles
  }

  /** What functions have called so far, each once. */
  get calls(): (AwsCall & { functionName: string })[] {
    return [...this.#allowed.values()]
  }

  /** Undefined when the caller may; else AWS's words. */
  refusal(request: FastifyRequest, { action, resource }: AwsCall): string | undefined {
    const functionName = accessKeyOf(request)
    if (functionName === undefined) return 'Missing Authentication Token'
    const role = this.#roles.get(functionName)
    if (!role) return undefined
    if (isAllowed(role, action, resource)) {
      this.#allowed.set(`${functionName} ${action} ${resource}`, { functionName, action, resource })
      return undefined
    }
    return (
      `User: ${role.arn} is not authorized to perform: ${action} on resource: ${resource} ` +
      'because no identity-based policy allows the action'
    )
  }

  /** Asks before each request for which `callOf` gives a call, or several that it needs. `refuse` answers as the service does. */
  protect(
    app: FastifyInstance,
    callOf: (request: FastifyRequest) => AwsCall | AwsCall[] | undefined,
    refuse: (reply: FastifyReply, message: string) => FastifyReply,
  ): void {
    app.addHook('preHandler', async (request, reply) => {
      for (const call of [callOf(request) ?? []].flat()) {
        const refusal = this.refusal(request, call)
        if (refusal !== undefined) return refuse(reply, refusal)
      }
    })
  }
}

/** Of Signature Version 4: in the Authorization header, or in the query of a presigned URL. */
function accessKeyOf(request: FastifyRequest): string | undefined {
  const presigned = (request.query as Record<string, string | undefined>)['X-Amz-Credential']
  const credential = /Credential=([^,]+)/.exec(request.headers.authorization ?? '')?.[1] ?? presigned
  return credential?.split('/')[0]
}
