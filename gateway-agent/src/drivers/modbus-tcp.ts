import { connect, type Socket } from 'node:net'
import type { ModbusTransport } from './modbus-line.ts'

/** MBAP header: transaction id, protocol id 0, number of bytes that follow, unit id (Modbus messaging on TCP/IP 1.0b, 3.1.3). */
const HEADER = 7
/** Unit id and the longest PDU. */
const LONGEST = 1 + 253
/**
 * So many answers in a row may be missing before the connection itself is given up: with several units behind it, one
 * that is switched off must not cost the others their connection, and a half open one must not live for ever.
 */
const SILENCES = 2

interface Pending {
  transactionId: number
  unitId: number
  resolve: (pdu: Buffer) => void
  reject: (reason: Error) => void
}

/** Modbus TCP. An answer counts only with the transaction id of its request, so a late one is never taken for the next. */
export function modbusTcp({
  host,
  port,
  timeoutMs,
}: {
  host: string
  port: number
  timeoutMs: number
}): ModbusTransport {
  let socket: Socket | undefined
  let pending: Pending | undefined
  let received: Buffer = Buffer.alloc(0)
  let transactionId = 0
  let silences = 0
  let fail: (reason: Error) => void = () => undefined

  function take(data: Buffer): void {
    received = received.length === 0 ? data : Buffer.concat([received, data])
    while (received.length >= HEADER) {
      const length = received.readUInt16BE(4)
      if (received.readUInt16BE(2) !== 0 || length < 2 || length > LONGEST) {
        fail(new Error(`the device sent what is not Modbus TCP (${received.subarray(0, 16).toString('hex')})`))
        return
      }
      if (received.length < 6 + length) return
      answered(received.readUInt16BE(0), received[6]!, received.subarray(HEADER, 6 + length))
      received = received.subarray(6 + length)
    }
  }

  function answered(id: number, unitId: number, pdu: Buffer): void {
    if (pending?.transactionId !== id || pending.unitId !== unitId) return
    silences = 0
    pending.resolve(pdu)
  }

  return {
    async open(onLost) {
      const opening = connect({ host, port, noDelay: true })
      socket = opening
      const opened = new Promise<void>((resolve, reject) => {
        fail = (reason) => {
          opening.destroy()
          reject(reason)
          pending?.reject(reason)
          onLost(reason)
        }
        opening.on('connect', resolve)
      })
      opening.on('data', take)
      opening.on('error', (error) => fail(error))
      opening.on('close', () => fail(new Error('the device closed the connection')))
      const timer = setTimeout(() => fail(new Error(`no connection within ${timeoutMs} ms`)), timeoutMs)
      await opened.finally(() => clearTimeout(timer))
    },
    async transact(unitId, pdu, _answerBytes, answerWithinMs) {
      transactionId = (transactionId + 1) % 65_536
      const frame = Buffer.alloc(HEADER + pdu.length)
      frame.writeUInt16BE(transactionId, 0)
      frame.writeUInt16BE(1 + pdu.length, 4)
      frame.writeUInt8(unitId, 6)
      pdu.copy(frame, HEADER)
      const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
      pending = { transactionId, unitId, resolve, reject }
      const timer = setTimeout(() => {
        const silence = new Error(`no answer within ${answerWithinMs} ms`)
        silences += 1
        if (silences === SILENCES) fail(silence)
        else reject(silence)
      }, answerWithinMs)
      socket!.write(frame)
      return promise.finally(() => {
        clearTimeout(timer)
        pending = undefined
      })
    },
    close() {
      socket?.destroy()
      return Promise.resolve()
    },
  }
}
