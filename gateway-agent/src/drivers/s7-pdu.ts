import type { S7Item } from './s7-plan.ts'
import { S7_AREAS } from './s7-tag.ts'
import { excerpt } from './tcp-exchange.ts'

/** TPKT (RFC 1006): version 3, 0, length. COTP (ISO 8073) after it: its own length, then the kind of its TPDU. */
const TPKT = 4
const CONNECT_CONFIRM = 0xd0
const DISCONNECT_REQUEST = 0x80
const DATA = [2, 0xf0, 0x80]
const HEAD = TPKT + DATA.length
/** Longest frame: the largest PDU, 960 bytes, and what is around it. */
const LONGEST_FRAME = 8192

const JOB = 1
const ANSWER = 3
const SETUP = 0xf0
const READ = 4
/** Header of an answer: that of a request, and its two bytes of error. */
const JOB_HEADER = 10
const ANSWER_HEADER = 12
const BYTES = 2
const OK = 0xff
/** Transport sizes whose length is counted in bits (3 BIT, 4 BYTE/WORD, 5 INT). */
const COUNTED_IN_BITS = [3, 4, 5]

/** Return codes of an item, of which a neighbour may be right. */
const ITEM_ERRORS: Record<number, string> = {
  0x01: 'hardware fault',
  0x03: 'access is not allowed',
  0x05: 'beyond the end of the area or of the data block',
  0x06: 'the type is not supported',
  0x0a: 'it does not exist: no such data block, or an optimised one',
}

/** For TcpExchange. */
export function frameLength(received: Buffer): number | undefined {
  if (received.length < TPKT) return undefined
  const length = received.readUInt16BE(2)
  if (received[0] !== 3 || length < HEAD || length > LONGEST_FRAME) {
    throw new Error(`the device sent what is not S7 (${excerpt(received)})`)
  }
  return length
}

/** Asks for a connection to the CPU in this rack and slot, as a programming device. */
export function connectRequest(rack: number, slot: number): Buffer {
  const cotp = [17, 0xe0, 0, 0, 0, 1, 0, 0xc0, 1, 0x0a, 0xc1, 2, 1, 0, 0xc2, 2, 1, (rack << 5) | slot]
  return Buffer.from([3, 0, 0, TPKT + cotp.length, ...cotp])
}

/** Throws when the PLC refuses the connection. */
export function isConnectConfirm(frame: Buffer): true | undefined {
  if (frame[5] === DISCONNECT_REQUEST) throw new Error('the PLC refuses the connection: check rack and slot')
  return frame[5] === CONNECT_CONFIRM || undefined
}

/** Proposes a PDU size; the PLC answers with its own, if that is smaller. One job at a time. */
export function setupRequest(reference: number, pduBytes: number): Buffer {
  const parameters = Buffer.from([SETUP, 0, 0, 1, 0, 1, 0, 0])
  parameters.writeUInt16BE(pduBytes, 6)
  return job(reference, parameters)
}

export function readRequest(reference: number, items: readonly S7Item[]): Buffer {
  const parameters = Buffer.alloc(2 + 12 * items.length)
  parameters.writeUInt8(READ, 0)
  parameters.writeUInt8(items.length, 1)
  for (const [index, { range, offset, length }] of items.entries()) {
    const at = 2 + 12 * index
    parameters.set([0x12, 0x0a, 0x10, BYTES], at)
    parameters.writeUInt16BE(length, at + 4)
    parameters.writeUInt16BE(range.db, at + 6)
    // The area, and in 24 bits the address in bits.
    parameters.writeUInt32BE(S7_AREAS[range.area] * 0x1000000 + (range.start + offset) * 8, at + 8)
  }
  return job(reference, parameters)
}

/** The parameters and data of the answer to `reference`; undefined for another one. Throws when the PLC refuses. */
export function answerTo(reference: number, frame: Buffer): { parameters: Buffer; data: Buffer } | undefined {
  const pdu = frame.subarray(HEAD)
  if (pdu.length < ANSWER_HEADER || pdu[0] !== 0x32 || pdu[1] !== ANSWER || pdu.readUInt16BE(4) !== reference)
    return undefined
  const [errorClass, errorCode] = [pdu[10]!, pdu[11]!]
  if (errorClass === 0x81 && errorCode === 4) {
    throw new Error('the PLC refuses access (81 04): permit PUT/GET in the protection settings of its program')
  }
  if (errorClass !== 0 || errorCode !== 0) {
    throw new Error(`the PLC refuses the request (error ${pdu.toString('hex', 10, 11)} ${pdu.toString('hex', 11, 12)})`)
  }
  const parametersEnd = ANSWER_HEADER + pdu.readUInt16BE(6)
  return { parameters: pdu.subarray(ANSWER_HEADER, parametersEnd), data: pdu.subarray(parametersEnd) }
}

/** The PDU size that the PLC takes. */
export function pduBytesOf({ parameters }: { parameters: Buffer }): number {
  if (parameters.length < 8 || parameters[0] !== SETUP)
    throw new Error(`the device answered something else than was asked (${excerpt(parameters)})`)
  return parameters.readUInt16BE(6)
}

/** For each item its bytes, or why the PLC refuses it. Throws when this is no answer to a request for `items`. */
export function itemsOf(answer: { parameters: Buffer; data: Buffer }, items: readonly S7Item[]): (Buffer | string)[] {
  const { parameters, data } = answer
  const mismatch = () => new Error(`the device answered something else than was asked (${excerpt(data)})`)
  if (parameters[0] !== READ || parameters[1] !== items.length) throw mismatch()
  let at = 0
  return items.map(({ length }) => {
    if (at + 4 > data.length) throw mismatch()
    const [code, size, counted] = [data[at]!, data[at + 1]!, data.readUInt16BE(at + 2)]
    at += 4
    if (code !== OK) return ITEM_ERRORS[code] ?? `error ${code.toString(16)}`
    const bytes = COUNTED_IN_BITS.includes(size) ? Math.ceil(counted / 8) : counted
    if (bytes !== length || at + bytes > data.length) throw mismatch()
    const item = data.subarray(at, at + bytes)
    // Every item but the last is filled up to an even number of bytes.
    at += bytes + (bytes % 2)
    return item
  })
}

function job(reference: number, parameters: Buffer): Buffer {
  const frame = Buffer.alloc(HEAD + JOB_HEADER + parameters.length)
  frame.writeUInt8(3, 0)
  frame.writeUInt16BE(frame.length, 2)
  frame.set([...DATA, 0x32, JOB], TPKT)
  frame.writeUInt16BE(reference, HEAD + 4)
  frame.writeUInt16BE(parameters.length, HEAD + 6)
  parameters.copy(frame, HEAD + JOB_HEADER)
  return frame
}
