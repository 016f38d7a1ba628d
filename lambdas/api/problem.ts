/** RFC 9457 answers. A route throws an ApiError; the frame turns it, and whatever else is thrown, into problem+json. */
import type { ApiErrorCode } from '../../schemas/error-codes.ts'
import type { Problem } from '../../schemas/api.ts'

const KINDS: Record<ApiErrorCode, { status: number; title: string }> = {
  invalid_input: { status: 400, title: 'The request is not valid' },
  invalid_csr: { status: 400, title: 'The certificate signing request cannot be used' },
  unauthenticated: { status: 401, title: 'Sign in first' },
  invalid_enrolment_token: { status: 401, title: 'The enrolment token cannot be used' },
  invalid_identity: { status: 401, title: 'The gateway is not recognised' },
  forbidden: { status: 403, title: 'Not allowed' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  conflict: { status: 409, title: 'Conflict with what exists' },
  precondition_failed: { status: 412, title: 'It has been changed in the meantime' },
  idempotency_key_reused: { status: 422, title: 'The Idempotency-Key belongs to another request' },
  request_in_progress: { status: 409, title: 'The same request is still being worked on' },
  rate_limited: { status: 429, title: 'Too many requests' },
  payload_too_large: { status: 413, title: 'The body is too large' },
  unavailable: { status: 503, title: 'Not available at the moment' },
  internal: { status: 500, title: 'Something went wrong on our side' },
}

export interface FieldError {
  /** Dotted path of the field in the body, or the name of the query parameter. */
  path: string
  message: string
}

export class ApiError extends Error {
  readonly code: ApiErrorCode
  readonly fields: FieldError[] | undefined
  readonly headers: Record<string, string>

  constructor(
    code: ApiErrorCode,
    detail: string,
    more: { fields?: FieldError[]; headers?: Record<string, string> } = {},
  ) {
    super(detail)
    this.code = code
    this.fields = more.fields
    this.headers = more.headers ?? {}
  }
}

/** The same for what does not exist, is another tenant's, or stands in a plant that the user may not see. */
export function notFound(): ApiError {
  return new ApiError('not_found', 'There is nothing here that you can see.')
}

export function invalidField(path: string, message: string): ApiError {
  return new ApiError('invalid_input', 'See errors for the wrong fields.', { fields: [{ path, message }] })
}

export function problemOf(error: ApiError, requestId: string): Problem {
  const { status, title } = KINDS[error.code]
  return {
    type: 'about:blank',
    title,
    status,
    detail: error.message,
    code: error.code,
    requestId,
    ...(error.fields && { errors: error.fields }),
  }
}

/** What a caller learns of a fault of ours: nothing but the id to quote. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  return new ApiError('internal', 'The request could not be completed. Try again; quote the requestId if it goes on.')
}
