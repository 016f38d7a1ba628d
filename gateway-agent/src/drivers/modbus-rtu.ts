import { setTimeout as wait } from 'node:timers/promises'
import type { SerialPort } from 'serialport'
import type { ModbusTransport } from './modbus-line.ts'

export const PARITIES = ['none', 'even', 'odd'] as const

export interface SerialSettings {
  path: string
  baudRate: number
  dataBits: 7 | 8
  parity: (typeof PARITIES)[number]
  stopBits: 1 | 2
}

/** Unit id before the PDU, CRC behind it. */
const FRAME = 3
const EXCEPTION_BYTES = 2
/** Silence that ends a frame: 3.5 characters of 11 bits, at least 1.75 ms (Modbus over serial line 1.02, 2.5.1.1). */
const gapMs = ({ baudRate }: SerialSettings) => Math.max(1.75, (3.5 * 11 * 1000) / baudRate)

interface Pending {
  unitId: number
  functionCode: number
  answerBytes: number
  resolve: (pdu: Buffer) => void
  reject: (reason: Error) => void
}

/**
 * Modbus RTU by serialport. What comes when nothing was asked is dropped; frames carry no number, so the driver leaves
 * a unit alone for a while after a time-out, lest its late answer is taken for the next one.
 */
export function modbusRtu(settings: SerialSettings): ModbusTransport {
  let port: SerialPort | undefined
  let pending: Pending | undefined
  let received: Buffer = Buffer.alloc(0)
  let lastByteAt = 0

  function take(data: Buffer): void {
    lastByteAt = performance.now()
    if (!pending) return
    received = Buffer.concat([received, data])
    const pdu = findAnswer(received, pending)
    if (pdu) pending.resolve(pdu)
  }

  return {
    async open(onLost) {
      const { SerialPort: Port } = (await import('serialport')).default
      const opening = new Port({ ...settings, autoOpen: false })
      port = opening
      const lose = (reason: Error) => {
        pending?.reject(reason)
        onLost(reason)
      }
      opening.on('data', take)
      opening.on('error', lose)
      opening.on('close', () => lose(new Error(`the serial port ${settings.path} is gone`)))
      await new Promise<void>((resolve, reject) => {
        opening.open((error) => (error ? reject(error) : resolve()))
      })
      await new Promise<void>((resolve) => opening.flush(() => resolve()))
    },
    async transact(unitId, request, answerBytes, timeoutMs) {
      // Two requests of one unit, or of two, must be a frame's end apart.
      const restMs = lastByteAt + gapMs(settings) - performance.now()
      if (restMs > 0) await wait(Math.ceil(restMs))
      const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
      received = Buffer.alloc(0)
      pending = { unitId, functionCode: request[0]!, answerBytes, resolve, reject }
      const timer = setTimeout(() => {
        const what = received.length === 0 ? 'no answer' : `no readable answer, only ${received.length} bytes,`
        reject(new Error(`${what} within ${timeoutMs} ms`))
      }, timeoutMs)
      port!.write(frameOf(unitId, request))
      return promise.finally(() => {
        clearTimeout(timer)
        pending = undefined
      })
    },
    async close() {
      if (port?.isOpen) await new Promise<void>((resolve) => port!.close(() => resolve()))
    },
  }
}

function frameOf(unitId: number, pdu: Buffer): Buffer {
  const frame = Buffer.concat([Buffer.from([unitId]), pdu, Buffer.alloc(2)])
  frame.writeUInt16LE(crc16(frame.subarray(0, -2)), frame.length - 2)
  return frame
}

/** The PDU of the first whole answer with a right CRC; what stands before it is noise, an echo, or another unit's late answer. */
function findAnswer(bytes: Buffer, { unitId, functionCode, answerBytes }: Pending): Buffer | undefined {
  for (let start = 0; start + FRAME + EXCEPTION_BYTES <= bytes.length; start += 1) {
    if (bytes[start] !== unitId) continue
    const isException = bytes[start + 1] === (functionCode | 0x80)
    if (!isException && bytes[start + 1] !== functionCode) continue
    const end = start + FRAME + (isException ? EXCEPTION_BYTES : answerBytes)
    if (end > bytes.length) continue
    if (bytes.readUInt16LE(end - 2) === crc16(bytes.subarray(start, end - 2))) return bytes.subarray(start + 1, end - 2)
  }
  return undefined
}

/** CRC-16 with the polynomial A001 (Modbus over serial line 1.02, appendix B). */
export function crc16(bytes: Buffer): number {
  let crc = 0xffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1
  }
  return crc
}
