/**
 * Kinds of machine in the demo, each with the register map that its PLC shows. Offsets count from the machine's base
 * address. The simulation writes them, the gateway's configuration names them: both are made from here.
 */
export type MachineKind = keyof typeof MACHINE_KINDS

/** What the simulation gives for every machine. */
export interface Physics {
  running: boolean
  /** 0 stopped, 1 starting, 2 running, 3 stopping. */
  state: number
  /** 0 to 1. */
  load: number
  /** Of the way from rest to full load, follows the load slowly. */
  heat: number
  /** Pieces, bags or cycles since the PLC was built; begins again after 2^32. */
  counter: number
}

export interface Signal {
  offset: number
  table: 'holding' | 'input' | 'coil'
  type?: 'int16' | 'uint16' | 'uint32' | 'float32'
  /** The register holds the value divided by this. */
  scale?: number
  unit?: string
  deadband?: number
  value: (physics: Physics, noise: () => number) => number | boolean
}

const running: Signal = { table: 'coil', offset: 0, value: (p) => p.running }
const state: Signal = { table: 'holding', offset: 8, type: 'uint16', value: (p) => p.state }
/** Bit 0 of the alarm word: the machine runs above 95 % of its load. */
const overload: Signal = { table: 'coil', offset: 1, value: (p) => p.load > 0.95 }

const temperature = (rest: number, full: number): Signal => ({
  table: 'holding',
  offset: 0,
  type: 'float32',
  unit: '°C',
  deadband: 0.1,
  value: (p, noise) => rest + (full - rest) * p.heat + noise() * 0.2,
})
const current = (full: number): Signal => ({
  table: 'holding',
  offset: 4,
  type: 'float32',
  unit: 'A',
  value: (p, noise) => (p.load === 0 ? 0 : full * (0.35 + 0.65 * p.load) + noise() * full * 0.01),
})
const pressure = (full: number): Signal => ({
  table: 'input',
  offset: 0,
  type: 'int16',
  scale: 0.01,
  unit: 'bar',
  value: (p, noise) => Math.max(0, full * p.load + noise() * full * 0.01),
})
const counter = (unit: string): Signal => ({
  table: 'holding',
  offset: 6,
  type: 'uint32',
  unit,
  value: (p) => p.counter,
})

export const MACHINE_KINDS = {
  pump: {
    running,
    overload,
    state,
    temperature: temperature(24, 68),
    current: current(42),
    pressure: pressure(6.5),
    flow: {
      table: 'holding',
      offset: 2,
      type: 'float32',
      unit: 'm³/h',
      value: (p, noise) => Math.max(0, 85 * p.load + (p.running ? noise() : 0)),
    },
  },
  compressor: {
    running,
    state,
    temperature: temperature(26, 92),
    current: current(63),
    pressure: pressure(8.2),
    cycles: counter('cycles'),
  },
  oven: {
    running,
    state,
    temperature: temperature(30, 235),
    humidity: {
      table: 'input',
      offset: 1,
      type: 'uint16',
      scale: 0.1,
      unit: '%',
      value: (p, noise) => Math.max(0, 42 - 30 * p.heat + noise() * 0.3),
    },
    trays: counter('trays'),
  },
  packer: {
    running,
    overload,
    state,
    current: current(11),
    speed: {
      table: 'input',
      offset: 2,
      type: 'uint16',
      unit: 'bags/min',
      value: (p) => 48 * p.load,
    },
    bags: counter('bags'),
  },
} satisfies Record<string, Record<string, Signal>>

export const signalsOf = (kind: MachineKind): [tag: string, signal: Signal][] => Object.entries(MACHINE_KINDS[kind])
