import type { Problem } from '../../../schemas/api.ts'

/**
 * Why a call gave no answer to work with. `network`: none came. `problem`: the API says why. `unexpected`: something
 * answered that is not this API's contract (a proxy, a newer version). `session`: the person has to sign in again.
 */
export class ApiError extends Error {
  readonly kind: 'network' | 'problem' | 'unexpected' | 'session'
  readonly status: number | undefined
  readonly problem: Problem | undefined
  readonly requestId: string | undefined

  constructor(
    kind: ApiError['kind'],
    message: string,
    answer: { status?: number; problem?: Problem; requestId?: string | null; cause?: unknown } = {},
  ) {
    super(message, { cause: answer.cause })
    this.name = 'ApiError'
    this.kind = kind
    this.status = answer.status
    this.problem = answer.problem
    this.requestId = answer.problem?.requestId ?? answer.requestId ?? undefined
  }

  get forbidden(): boolean {
    return this.problem?.code === 'forbidden'
  }
}

export function toApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError('unexpected', String(error), { cause: error })
}
