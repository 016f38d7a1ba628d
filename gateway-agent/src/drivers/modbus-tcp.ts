import type { ModbusTransport } from './modbus-line.ts'
import { excerpt, Silence, TcpExchange } from './tcp-exchange.ts'

/** MBAP header: transaction id, protocol id 0, number of bytes that follow, unit id (Modbus messaging on TCP/IP 1.0b, 3.1.3). */
const HEADER = 7
/** Unit id and the longest PDU. */
const LONGEST = 1 + 253
/**
 * So many answers in a row may be missing before the connection itself is given up: with several units behind it, one
 * that is switched off must not cost the others their connection, and a half open one must not live for ever.
 */
const SILENCES = 2

/** Modbus TCP. An answer counts only with the transaction id of its request, so a late one is never taken for the next. */
export function modbusTcp(options: { host: string; port: number; timeoutMs: number }): ModbusTransport {
  let exchange: TcpExchange | undefined
  let transactionId = 0
  let silences = 0

  return {
    async open(onLost) {
      exchange = new TcpExchange({ ...options, frameLength, onLost })
      await exchange.opened()
    },
    async transact(unitId, pdu, _answerBytes, timeoutMs) {
      transactionId = (transactionId + 1) % 65_536
      const frame = Buffer.alloc(HEADER + pdu.length)
      frame.writeUInt16BE(transactionId, 0)
      frame.writeUInt16BE(1 + pdu.length, 4)
      frame.writeUInt8(unitId, 6)
      pdu.copy(frame, HEADER)
      try {
        const answer = await exchange!.request(frame, timeoutMs, (received) =>
          received.readUInt16BE(0) === transactionId && received[6] === unitId ? received.subarray(HEADER) : undefined,
        )
        silences = 0
        return answer
      } catch (error) {
        if (error instanceof Silence && (silences += 1) === SILENCES) exchange!.fail(error)
        throw error
      }
    },
    close() {
      exchange?.close()
      return Promise.resolve()
    },
  }
}

function frameLength(received: Buffer): number | undefined {
  if (received.length < HEADER) return undefined
  const length = received.readUInt16BE(4)
  if (received.readUInt16BE(2) !== 0 || length < 2 || length > LONGEST) {
    throw new Error(`the device sent what is not Modbus TCP (${excerpt(received)})`)
  }
  return 6 + length
}
