/** An error that AWS IoT's control plane answers: https://docs.aws.amazon.com/iot/latest/apireference/CommonErrors.html */
export class IotError extends Error {
  readonly code: string
  readonly status: number
  readonly details: Record<string, string>

  constructor(code: string, status: number, message: string, details: Record<string, string> = {}) {
    super(message)
    this.code = code
    this.status = status
    this.details = details
  }
}

export const notFound = (what: string) => new IotError('ResourceNotFoundException', 404, `${what} does not exist`)
export const invalid = (message: string) => new IotError('InvalidRequestException', 400, message)

export function fail(error: IotError): never {
  throw error
}
