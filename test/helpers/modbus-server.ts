import { createRequire } from 'node:module'
import type { AddressInfo, Server } from 'node:net'
import type { ServerTCP } from 'modbus-serial'

const { ServerTCP: Constructor } = createRequire(import.meta.url)('modbus-serial') as {
  ServerTCP: new (vector: object, options: object) => ServerTCP & { _server: Server }
}

export interface TestPlc {
  port: number
  /** Holding registers by offset, as 16 bit words. */
  registers: Map<number, number>
  coils: Map<number, boolean>
  setFloat32: (offset: number, value: number) => void
  stop: () => Promise<void>
}

/** A real Modbus TCP server on a free port; registers that were not written read as 0. */
export async function startPlc(): Promise<TestPlc> {
  const registers = new Map<number, number>()
  const coils = new Map<number, boolean>()
  const server = new Constructor(
    {
      getHoldingRegister: (offset: number) => registers.get(offset) ?? 0,
      getInputRegister: (offset: number) => registers.get(offset) ?? 0,
      getCoil: (offset: number) => coils.get(offset) ?? false,
      getDiscreteInput: (offset: number) => coils.get(offset) ?? false,
    },
    { host: '127.0.0.1', port: 0, unitID: 1 },
  )
  await new Promise<void>((resolve, reject) => {
    server.on('initialized', () => resolve())
    server.on('serverError', reject)
  })
  return {
    port: (server._server.address() as AddressInfo).port,
    registers,
    coils,
    setFloat32(offset, value) {
      const bytes = Buffer.alloc(4)
      bytes.writeFloatBE(value)
      registers.set(offset, bytes.readUInt16BE(0))
      registers.set(offset + 1, bytes.readUInt16BE(2))
    },
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  }
}
