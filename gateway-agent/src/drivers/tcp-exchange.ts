import { connect, type Socket } from 'node:net'

interface Pending {
  /** Whether it has taken the frame for its answer. */
  take: (frame: Buffer) => boolean
  reject: (reason: Error) => void
}

/** No answer came in time; the connection itself may still be good. */
export class Silence extends Error {}

export interface ExchangeOptions {
  host: string
  port: number
  timeoutMs: number
  /** Bytes of the frame that `received` begins with, as soon as they can be known. Throws when it is none of the protocol. */
  frameLength: (received: Buffer) => number | undefined
  /** Called when the open connection cannot be used any more. */
  onLost: (reason: Error) => void
}

/** Requests and answers over TCP, one at a time. What a socket does ends in a promise or in `onLost`, never in an exception. */
export class TcpExchange {
  readonly #options: ExchangeOptions
  readonly #socket: Socket
  readonly #opened: Promise<void>
  #pending: Pending | undefined
  #received: Buffer = Buffer.alloc(0)
  #lost: Error | undefined

  constructor(options: ExchangeOptions) {
    this.#options = options
    const { host, port, timeoutMs } = options
    this.#socket = connect({ host, port, noDelay: true })
    this.#opened = new Promise((resolve, reject) => {
      this.#pending = { take: () => false, reject }
      this.#socket.on('connect', resolve)
    })
    this.#socket.on('data', (data) => this.#take(data))
    this.#socket.on('error', (error) => this.fail(error))
    this.#socket.on('close', () => this.fail(new Error('the device closed the connection')))
    const timer = setTimeout(() => this.fail(new Error(`no connection within ${timeoutMs} ms`)), timeoutMs)
    this.#opened
      .finally(() => {
        clearTimeout(timer)
        this.#pending = undefined
      })
      .catch(() => undefined)
  }

  /** Rejects when the device cannot be reached. */
  opened(): Promise<void> {
    return this.#opened
  }

  /**
   * Sends `frame`; resolves with what `accept` makes of a received frame, which is undefined for one that is not the
   * answer. Rejects with Silence when none has come within `timeoutMs`, and when the connection is lost.
   */
  request<T>(frame: Buffer, timeoutMs: number, accept: (frame: Buffer) => T | undefined): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    if (this.#lost) reject(this.#lost)
    else {
      this.#pending = {
        take(received) {
          const answer = accept(received)
          if (answer === undefined) return false
          resolve(answer)
          return true
        },
        reject,
      }
      this.#socket.write(frame)
    }
    const timer = setTimeout(() => reject(new Silence(`no answer within ${timeoutMs} ms`)), timeoutMs)
    return promise.finally(() => {
      clearTimeout(timer)
      this.#pending = undefined
    })
  }

  /** Ends the connection, and the request that waits. */
  fail(reason: Error): void {
    if (this.#lost) return
    this.#lost = reason
    this.#socket.destroy()
    this.#pending?.reject(reason)
    this.#options.onLost(reason)
  }

  close(): void {
    this.fail(new Error('the connection was closed'))
  }

  #take(data: Buffer): void {
    this.#received = this.#received.length === 0 ? data : Buffer.concat([this.#received, data])
    try {
      for (;;) {
        const length = this.#options.frameLength(this.#received)
        if (length === undefined || this.#received.length < length) return
        const frame = this.#received.subarray(0, length)
        this.#received = this.#received.subarray(length)
        if (this.#pending?.take(frame)) this.#pending = undefined
      }
    } catch (error) {
      this.fail(error as Error)
    }
  }
}

/** What a device sent, for a person who looks for the fault: its first bytes. */
export const excerpt = (bytes: Buffer): string => bytes.subarray(0, 16).toString('hex')
