import { createRequire } from 'node:module'
import type { AddressInfo, Server } from 'node:net'
import type { ServerTCP } from 'modbus-serial'

const { ServerTCP: Constructor } = createRequire(import.meta.url)('modbus-serial') as {
  ServerTCP: new (vector: object, options: object) => ServerTCP & { _server: Server }
}

export interface TestPlc {
  port: number
  holding: Map<number, number>
  input: Map<number, number>
  coils: Map<number, boolean>
  /** Offsets of holding registers that do not exist: exception 2. */
  missing: Set<number>
  /** While true, requests stay unanswered. */
  silent: boolean
  /** Registers and bits asked for so far. */
  asked: number
  /** Closes the connections, and takes new ones. */
  cut: () => void
  stop: () => Promise<void>
}

/** A real Modbus TCP server, on a free port unless one is given; what was not written reads as 0. */
export async function startPlc(port = 0): Promise<TestPlc> {
  const plc: TestPlc = {
    port: 0,
    holding: new Map(),
    input: new Map(),
    coils: new Map(),
    missing: new Set(),
    silent: false,
    asked: 0,
    cut() {
      for (const socket of server.socks.keys()) socket.destroy()
    },
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  }
  const answer = <T>(value: T) => {
    plc.asked += 1
    return plc.silent ? new Promise<T>(() => undefined) : value
  }
  const server = new Constructor(
    {
      getHoldingRegister(offset: number) {
        if (plc.missing.has(offset)) throw Object.assign(new Error('no such register'), { modbusErrorCode: 2 })
        return answer(plc.holding.get(offset) ?? 0)
      },
      getInputRegister: (offset: number) => answer(plc.input.get(offset) ?? 0),
      getCoil: (offset: number) => answer(plc.coils.get(offset) ?? false),
      getDiscreteInput: (offset: number) => answer(!(plc.coils.get(offset) ?? false)),
    },
    // modbus-serial takes the number 0 for "not given", which is port 502.
    { host: '127.0.0.1', port: String(port), unitID: 1 },
  )
  await new Promise<void>((resolve, reject) => {
    server.on('initialized', () => resolve())
    server.on('serverError', reject)
  })
  plc.port = (server._server.address() as AddressInfo).port
  return plc
}

/** Writes a value into two holding registers, most significant byte first (order ABCD). */
export function setFloat32(plc: TestPlc, offset: number, value: number): void {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatBE(value)
  plc.holding.set(offset, bytes.readUInt16BE(0))
  plc.holding.set(offset + 1, bytes.readUInt16BE(2))
}
