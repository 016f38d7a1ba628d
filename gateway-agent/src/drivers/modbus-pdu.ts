import type { ModbusRequest } from './modbus-plan.ts'
import { isBitTable, type ModbusTable } from './modbus-tag.ts'

/** Modbus application protocol 1.1b3, sections 6.1 to 6.4. */
const READ: Record<ModbusTable, number> = { coil: 1, discrete: 2, holding: 3, input: 4 }
const IS_EXCEPTION = 0x80

/** Exception codes that a device may answer with (section 7). */
const EXCEPTIONS: Record<number, string> = {
  1: 'illegal function: the device does not have this table',
  2: 'illegal data address: the device has no such register',
  3: 'illegal data value: the device refuses the length',
  4: 'server device failure',
  5: 'acknowledge: the device needs more time',
  6: 'server device busy',
  8: 'memory parity error',
  10: 'gateway path unavailable',
  11: 'gateway target device failed to respond',
}

/** The device has understood the request, and refuses it. */
export class ModbusException extends Error {
  readonly code: number

  constructor(code: number) {
    super(`Modbus exception ${code}, ${EXCEPTIONS[code] ?? 'unknown to the protocol'}`)
    this.code = code
  }
}

/** Function code, first register or bit, and their number. */
export function readRequest({ table, offset, length }: ModbusRequest): Buffer {
  const pdu = Buffer.alloc(5)
  pdu.writeUInt8(READ[table], 0)
  pdu.writeUInt16BE(offset, 1)
  pdu.writeUInt16BE(length, 3)
  return pdu
}

/** Bytes of data that the answer to `request` must hold. */
export const dataBytes = ({ table, length }: ModbusRequest): number =>
  isBitTable(table) ? Math.ceil(length / 8) : length * 2

/** The data of an answer. Throws ModbusException, or an Error when it is no answer to `request`. */
export function dataOf(request: ModbusRequest, pdu: Buffer): Buffer {
  const functionCode = READ[request.table]
  if (pdu.length === 2 && pdu[0] === (functionCode | IS_EXCEPTION)) throw new ModbusException(pdu[1]!)
  const bytes = dataBytes(request)
  if (pdu[0] !== functionCode || pdu[1] !== bytes || pdu.length !== 2 + bytes) {
    throw new Error(`the device answered something else than was asked (${pdu.subarray(0, 16).toString('hex')})`)
  }
  return pdu.subarray(2)
}

/** Bits come eight to a byte, the first one the least significant. */
export const bitAt = (data: Buffer, index: number): boolean => ((data[index >> 3]! >> (index & 7)) & 1) === 1
