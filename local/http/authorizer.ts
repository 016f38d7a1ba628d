import * as v from 'valibot'
import { arn } from '../aws-identity.ts'
import type { AuthorizerSettings } from '../assembly/read-apis.ts'
import type { LambdaFunction } from '../lambda/function.ts'
import type { HttpEvent } from './http-event.ts'

export type Verdict = { allowed: true; context: Record<string, unknown> } | { allowed: false; status: 401 | 403 | 500 }

const SimpleResponse = v.object({
  isAuthorized: v.boolean(),
  context: v.optional(v.record(v.string(), v.unknown()), {}),
})

/** A Lambda authorizer with simple responses. Its answers are cached per caller's header for the time of the template. */
export class Authorizer {
  readonly #settings: AuthorizerSettings
  readonly #target: Pick<LambdaFunction, 'invoke'>
  readonly #cache = new Map<string, { verdict: Verdict; until: number }>()

  constructor(settings: AuthorizerSettings, target: Pick<LambdaFunction, 'invoke'>) {
    this.#settings = settings
    this.#target = target
  }

  async judge(event: HttpEvent): Promise<Verdict> {
    const identity = event.headers[this.#settings.header]
    // Without its identity source API Gateway answers 401 itself.
    if (!identity) return { allowed: false, status: 401 }
    const cached = this.#cache.get(identity)
    if (cached && cached.until > Date.now()) return cached.verdict
    const verdict = await this.#ask(event, identity)
    if (verdict.allowed || verdict.status !== 500) this.#remember(identity, verdict)
    return verdict
  }

  async #ask(event: HttpEvent, identity: string): Promise<Verdict> {
    const { apiId, http } = event.requestContext
    const request = { ...event, body: undefined, isBase64Encoded: undefined }
    const { functionError, payload } = await this.#target.invoke({
      ...request,
      type: 'REQUEST',
      routeArn: arn('execute-api', `${apiId}/$default/${http.method}${http.path}`),
      identitySource: [identity],
    })
    if (functionError) return { allowed: false, status: 500 }
    const { isAuthorized, context } = v.parse(SimpleResponse, payload)
    return isAuthorized ? { allowed: true, context } : { allowed: false, status: 403 }
  }

  #remember(identity: string, verdict: Verdict): void {
    const now = Date.now()
    for (const [key, { until }] of this.#cache) if (until <= now) this.#cache.delete(key)
    this.#cache.set(identity, { verdict, until: now + this.#settings.cacheSec * 1000 })
  }
}
