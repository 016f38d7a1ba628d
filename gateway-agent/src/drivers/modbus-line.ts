/** What carries requests: a TCP connection or a serial line. It is asked one request at a time. */
export interface ModbusTransport {
  /** Rejects when the device or the port is not there. `onLost` tells that an open one cannot be used any more. */
  open: (onLost: (reason: Error) => void) => Promise<void>
  /**
   * Sends a request's PDU to a unit and resolves with the answer's, `answerBytes` long unless it is an exception.
   * Rejects when none has come in time.
   */
  transact: (unitId: number, pdu: Buffer, answerBytes: number, timeoutMs: number) => Promise<Buffer>
  /** Never rejects; also right when nothing is open. */
  close: () => Promise<void>
}

/** One unit's share of a line. */
export interface Lease {
  /** One at a time. Rejects also when the line is lost or the lease is given back. */
  transact: ModbusTransport['transact']
  release: () => Promise<void>
}

/** Lines that are open or opening, by what they lead to. */
const lines = new Map<string, ModbusLine>()
/** A serial port is opened again only when it has been closed. */
const closings = new Map<string, Promise<void>>()

/**
 * A line that all devices behind the same address share: several units on one RS-485 bus, or behind one Modbus gateway.
 * Requests wait in the order of their arrival, and a unit asks for the next one only when it has the answer to the
 * last, so units take turns request by request and none starves another. It is open while anyone holds a lease.
 */
class ModbusLine {
  readonly #address: string
  readonly #transport: ModbusTransport
  readonly #holders = new Set<(reason: Error) => void>()
  readonly #opened: Promise<void>
  #lastAnswer: Promise<unknown> = Promise.resolve()
  #isLost = false

  constructor(address: string, transport: ModbusTransport) {
    this.#address = address
    this.#transport = transport
    this.#opened = (closings.get(address) ?? Promise.resolve()).then(() =>
      transport.open((reason) => void this.#lose(reason)),
    )
    this.#opened.catch((error: unknown) => void this.#lose(error as Error))
  }

  async lease(): Promise<Lease> {
    let lost: Error | undefined
    let abort: (reason: Error) => void = () => undefined
    const lose = (reason: Error) => {
      lost ??= reason
      abort(reason)
    }
    this.#holders.add(lose)
    await this.#opened
    return {
      transact: (...request) => {
        if (lost) return Promise.reject(lost)
        const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
        abort = reject
        this.#inTurn(request).then(resolve, reject)
        return promise
      },
      release: async () => {
        lose(new Error('the connection was closed'))
        this.#holders.delete(lose)
        if (this.#holders.size === 0) await this.#lose(new Error('the connection was closed'))
      },
    }
  }

  #inTurn(request: Parameters<ModbusTransport['transact']>): Promise<Buffer> {
    const answer = this.#lastAnswer.then(() => {
      if (this.#isLost) throw new Error('the connection was closed')
      return this.#transport.transact(...request)
    })
    this.#lastAnswer = answer.catch(() => undefined)
    return answer
  }

  async #lose(reason: Error): Promise<void> {
    if (this.#isLost) return
    this.#isLost = true
    lines.delete(this.#address)
    for (const lose of this.#holders) lose(reason)
    this.#holders.clear()
    const closing = this.#transport.close().then(() => {
      if (closings.get(this.#address) === closing) closings.delete(this.#address)
    })
    closings.set(this.#address, closing)
    await closing
  }
}

/** A share of the line to `address`, which is opened when nobody has it open. */
export function leaseLine(address: string, createTransport: () => ModbusTransport): Promise<Lease> {
  let line = lines.get(address)
  if (!line) {
    line = new ModbusLine(address, createTransport())
    lines.set(address, line)
  }
  return line.lease()
}
