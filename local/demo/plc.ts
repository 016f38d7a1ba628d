/** A PLC of the demo: a real Modbus TCP server whose registers behave like the machines of a plant. */
import { createRequire } from 'node:module'
import type { ServerTCP } from 'modbus-serial'
import { freePort } from '../ports.ts'
import { type MachineKind, type Signal, signalsOf } from './machine-kinds.ts'
import { MachineSimulation } from './machine-simulation.ts'

export interface Plc {
  port: number
  stop(): Promise<void>
}

/** Addresses between one machine and the next. */
export const MACHINE_STRIDE = 20
const STEP_MS = 500

// The package is CommonJS whose names Node does not see from an ES module.
const { ServerTCP: Server } = createRequire(import.meta.url)('modbus-serial') as {
  ServerTCP: new (vector: object, options: object) => ServerTCP
}

/** Machines stand at `index * MACHINE_STRIDE` in every table. */
export async function startPlc(machines: { kind: MachineKind }[], wantedPort: number): Promise<Plc> {
  const tables = { holding: new Uint16Array(1000), input: new Uint16Array(1000), coil: new Uint8Array(1000) }
  const simulations = machines.map(({ kind }) => ({ signals: signalsOf(kind), simulation: new MachineSimulation() }))
  const write = ({ table, offset, type, scale = 1 }: Signal, base: number, value: number | boolean) => {
    const address = base + offset
    if (table === 'coil') tables.coil[address] = value ? 1 : 0
    else tables[table].set(words(type ?? 'uint16', Number(value) / scale), address)
  }
  const step = () => {
    for (const [index, { signals, simulation }] of simulations.entries()) {
      simulation.step(STEP_MS / 1000)
      for (const [, signal] of signals) write(signal, index * MACHINE_STRIDE, signal.value(simulation.physics, noise))
    }
  }
  step()
  const timer = setInterval(step, STEP_MS)
  const port = await freePort(wantedPort)
  const server = new Server(
    {
      getHoldingRegister: (address: number) => tables.holding[address],
      getInputRegister: (address: number) => tables.input[address],
      getCoil: (address: number) => tables.coil[address] === 1,
      getDiscreteInput: (address: number) => tables.coil[address] === 1,
    },
    { host: '127.0.0.1', port, unitID: 1 },
  )
  await new Promise<void>((resolve, reject) => {
    server.once('initialized', () => resolve())
    server.once('serverError', reject)
  })
  return {
    port,
    stop() {
      clearInterval(timer)
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

/** The value as registers, big-endian, high word first (ABCD). */
function words(type: NonNullable<Signal['type']>, value: number): number[] {
  const bytes = Buffer.alloc(4)
  if (type === 'float32') bytes.writeFloatBE(value)
  else if (type === 'uint32') bytes.writeUInt32BE(value)
  else if (type === 'int16') bytes.writeInt16BE(Math.round(value))
  else bytes.writeUInt16BE(Math.round(value))
  const one = type === 'int16' || type === 'uint16'
  return one ? [bytes.readUInt16BE(0)] : [bytes.readUInt16BE(0), bytes.readUInt16BE(2)]
}

/** Roughly normal, within -1 and 1. */
const noise = () => Math.random() + Math.random() - 1
