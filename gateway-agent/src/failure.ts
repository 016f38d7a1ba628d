/** An error that a person can act on: main.ts prints its lines as they are, without a stack, and ends with its code. */
export class Failure extends Error {
  /** 1: the command failed. 2: it was used or configured wrongly, and trying again changes nothing. */
  readonly exitCode: 1 | 2

  constructor(message: string, exitCode: 1 | 2) {
    super(message)
    this.name = 'Failure'
    this.exitCode = exitCode
  }
}

/** The message of whatever was thrown, and the system's code where the message does not hold it. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) {
    const { message } = (error ?? {}) as { message?: unknown }
    return typeof message === 'string' ? message : String(error)
  }
  const { code } = error as NodeJS.ErrnoException
  // Node gathers the failures of all addresses of a host in an AggregateError whose own message is empty.
  const message =
    error.message || (error instanceof AggregateError ? error.errors.map(messageOf).join('; ') : error.name)
  return code && !message.includes(code) ? `${message} (${code})` : message
}
