import { createServer, type AddressInfo, type Socket } from 'node:net'

export interface S7Plc {
  port: number
  /** Memory by area (`M`, `I`, `Q`) or data block (`DB10`). */
  memory: Map<string, Buffer>
  /** The largest PDU that it takes. */
  pduBytes: number
  /** Return code for whatever touches these bytes, as `DB10.4`. */
  refused: Map<string, number>
  /** Answers every job with this error class and code. */
  error: [number, number] | undefined
  silent: boolean
  /** Requests for reading so far: their items, and the bytes of the request's and the answer's PDU. */
  reads: { items: number; askedBytes: number; answerBytes: number }[]
  /** TSAP that was asked for: 1, and rack and slot. */
  tsap: [number, number] | undefined
  stop: () => Promise<void>
}

const AREAS: Record<number, string> = { 0x81: 'I', 0x82: 'Q', 0x83: 'M' }

/** A small S7 server over real sockets: COTP connection, setup and Read Var, as a CPU answers them. */
export async function startS7Plc(port = 0): Promise<S7Plc> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    let received = Buffer.alloc(0)
    socket.on('data', (data) => {
      received = Buffer.concat([received, data])
      while (received.length >= 4 && received.length >= received.readUInt16BE(2)) {
        const length = received.readUInt16BE(2)
        const answer = plc.silent ? undefined : answerTo(plc, received.subarray(4, length))
        received = received.subarray(length)
        if (answer) socket.write(tpkt(answer))
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const plc: S7Plc = {
    port: (server.address() as AddressInfo).port,
    memory: new Map(),
    pduBytes: 240,
    refused: new Map(),
    error: undefined,
    silent: false,
    reads: [],
    tsap: undefined,
    stop: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  return plc
}

function answerTo(plc: S7Plc, tpdu: Buffer): Buffer | undefined {
  if (tpdu[1] === 0xe0) {
    const called = tpdu.indexOf(Buffer.from([0xc2, 2]))
    plc.tsap = [tpdu[called + 2]!, tpdu[called + 3]!]
    return Buffer.from([17, 0xd0, 0, 1, 0, 2, 0, 0xc0, 1, 0x0a, 0xc1, 2, 1, 0, 0xc2, 2, ...plc.tsap])
  }
  const pdu = tpdu.subarray(3)
  const parameters = pdu.subarray(10)
  if (plc.error) return answerOf(pdu, Buffer.alloc(0), Buffer.alloc(0), plc.error)
  if (parameters[0] === 0xf0) {
    const agreed = Buffer.from(parameters.subarray(0, 8))
    agreed.writeUInt16BE(Math.min(plc.pduBytes, parameters.readUInt16BE(6)), 6)
    return answerOf(pdu, agreed, Buffer.alloc(0))
  }
  const count = parameters[1]!
  const items = Array.from({ length: count }, (_, index) =>
    itemOf(plc, parameters.subarray(2 + 12 * index), index === count - 1),
  )
  const answer = answerOf(pdu, Buffer.from([4, count]), Buffer.concat(items))
  plc.reads.push({ items: count, askedBytes: pdu.length, answerBytes: answer.length - 3 })
  return answer
}

/** Code, size (4: counted in bits), length, and the bytes, filled up to an even number unless it is the last. */
function itemOf(plc: S7Plc, address: Buffer, isLast: boolean): Buffer {
  const length = address.readUInt16BE(4)
  const area = AREAS[address[8]!] ?? `DB${address.readUInt16BE(6)}`
  const start = (address.readUInt32BE(8) & 0xffffff) >> 3
  const memory = plc.memory.get(area)
  const refusal = Array.from({ length }, (_, n) => plc.refused.get(`${area}.${start + n}`)).find(
    (code) => code !== undefined,
  )
  const code = refusal ?? (!memory ? 0x0a : start + length > memory.length ? 0x05 : 0xff)
  if (code !== 0xff) return Buffer.from([code, 0, 0, 0])
  const bytes = memory!.subarray(start, start + length)
  const head = Buffer.from([0xff, 4, 0, 0])
  head.writeUInt16BE(length * 8, 2)
  return Buffer.concat([head, bytes, Buffer.alloc(isLast ? 0 : length % 2)])
}

function answerOf(job: Buffer, parameters: Buffer, data: Buffer, [errorClass, errorCode] = [0, 0]): Buffer {
  const header = Buffer.from([0x32, 3, 0, 0, job[4]!, job[5]!, 0, 0, 0, 0, errorClass, errorCode])
  header.writeUInt16BE(parameters.length, 6)
  header.writeUInt16BE(data.length, 8)
  return Buffer.concat([Buffer.from([2, 0xf0, 0x80]), header, parameters, data])
}

function tpkt(tpdu: Buffer): Buffer {
  const frame = Buffer.concat([Buffer.from([3, 0, 0, 0]), tpdu])
  frame.writeUInt16BE(frame.length, 2)
  return frame
}
