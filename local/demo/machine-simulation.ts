import type { Physics } from './machine-kinds.ts'

const STOPPED = 0
const STARTING = 1
const RUNNING = 2
const STOPPING = 3

/** Seconds that a machine stays in each state, from and to. */
const DURATIONS_SEC: Record<number, [from: number, to: number]> = {
  [STOPPED]: [10, 40],
  [STARTING]: [3, 6],
  [RUNNING]: [60, 240],
  [STOPPING]: [3, 6],
}
const HEAT_TIME_CONSTANT_SEC = 45
const PIECES_PER_SEC = 0.8

/** One machine that starts, works under a wandering load, warms up, counts, and stops again. */
export class MachineSimulation {
  readonly physics: Physics
  #leftSec: number
  #target = 0.7

  constructor() {
    // As found in the middle of a shift: most machines run.
    const state = Math.random() < 0.8 ? RUNNING : STOPPED
    const load = state === RUNNING ? this.#target : 0
    this.physics = {
      running: state === RUNNING,
      state,
      load,
      heat: load,
      counter: Math.floor(Math.random() * 1_000_000),
    }
    this.#leftSec = between(DURATIONS_SEC[state]!)
  }

  step(seconds: number): void {
    const { physics } = this
    this.#leftSec -= seconds
    if (this.#leftSec <= 0) {
      physics.state = (physics.state + 1) % 4
      this.#leftSec = between(DURATIONS_SEC[physics.state]!)
    }
    physics.running = physics.state === RUNNING || physics.state === STARTING
    this.#target = Math.min(1, Math.max(0.4, this.#target + (Math.random() - 0.5) * 0.05 * seconds))
    const target = physics.running ? this.#target : 0
    physics.load += (target - physics.load) * Math.min(1, seconds / 2)
    if (!physics.running && physics.load < 0.01) physics.load = 0
    physics.heat += (physics.load - physics.heat) * Math.min(1, seconds / HEAT_TIME_CONSTANT_SEC)
    if (physics.state === RUNNING && Math.random() < PIECES_PER_SEC * physics.load * seconds) {
      physics.counter = (physics.counter + 1) >>> 0
    }
  }
}

const between = ([from, to]: [number, number]) => from + Math.random() * (to - from)
