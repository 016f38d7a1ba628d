/** One run: readings and faults at the same time, then quiet, then the verdict. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Fault, FAULTS, holdUp } from './faults.ts'
import { createFleet } from './fleet.ts'
import { Generator } from './generator.ts'
import { Random } from './random.ts'
import type { System } from './system.ts'
import { judge, type Verdict } from './verdict.ts'

export interface ChaosOptions {
  seed: number
  /** Go on for so long; in any case until each fault has had its turn. */
  minutes: number
  say?: (line: string) => void
}

export interface ChaosReport extends Verdict {
  generator: Generator
  /** How often each fault bit. */
  bites: Record<string, number>
}

const READINGS_PER_ROUND = 500
/** The emulator hands out some hundred messages per second: more of them would only wait. */
const ENOUGH_WAITING = 1_000
const PAUSE_MS = 700

export async function runChaos(system: System, { seed, minutes, say }: ChaosOptions): Promise<ChaosReport> {
  const startedAt = Date.now()
  const until = startedAt + minutes * 60_000
  const fleet = await system.withDatabase(createFleet)
  const generator = new Generator(new Random(seed), fleet, startedAt)
  const bites: Record<string, number> = {}
  const done = new AbortController()

  const working = Promise.all([feed(system, generator, done.signal), rollUp(system, done.signal)])
  try {
    await Promise.all(
      Object.entries(FAULTS).map(([group, faults]) =>
        harm(system, new Random(`${seed} ${group}`), faults, until, (name, bitten) => {
          bites[name] = (bites[name] ?? 0) + bitten
          say?.(`${((Date.now() - startedAt) / 1000).toFixed(1)} s  ${name}: ${bitten}`)
        }),
      ),
    )
  } finally {
    done.abort()
    await working
  }
  system.send(generator.rest(), system.ingest)
  await drained(system)
  // All consumers commit and tell Redis at the same moment: the last to tell is not the last to have committed.
  const heldUp = holdUp(system)
  system.send(generator.closing(), system.ingest)
  await heldUp
  system.send(generator.heartbeats(), system.status)
  await drained(system)
  await rolledUp(system)
  const verdict = await system.withDatabase((database) => judge(system, generator, database))
  return { ...verdict, generator, bites }
}

async function feed(system: System, generator: Generator, done: AbortSignal): Promise<void> {
  while (!done.aborted) {
    if (system.ingest.queue.messages.length > ENOUGH_WAITING) await sleep(20)
    else {
      system.send(generator.round(READINGS_PER_ROUND), system.ingest)
      system.send(generator.heartbeats(), system.status)
    }
  }
}

/** As its schedule, but more often. What an outage ends is left for the next time. */
async function rollUp({ rollup }: System, done: AbortSignal): Promise<void> {
  while (!done.aborted) {
    await rollup.invoke({})
    await sleep(1_000)
  }
}

/** Until nothing is left to roll up. */
async function rolledUp({ rollup }: System): Promise<void> {
  for (;;) {
    const { functionError, payload } = await rollup.invoke({})
    if (functionError) throw new Error(`rollup failed in quiet: ${JSON.stringify(payload)}`)
    if ((payload as { rolledUp: number }).rolledUp === 0) return
  }
}

/** All faults in an order of their own, again and again. */
async function harm(
  system: System,
  random: Random,
  faults: Record<string, Fault>,
  until: number,
  told: (name: string, bitten: number) => void,
): Promise<void> {
  do {
    for (const [name, fault] of random.shuffled(Object.entries(faults))) {
      await sleep(random.below(PAUSE_MS))
      told(name, await fault(system, random))
    }
  } while (Date.now() < until)
}

/** Until all queues are empty: what is refused goes from the first two to the third. */
async function drained({ ingest, status, quarantine }: System): Promise<void> {
  const deadline = Date.now() + 120_000
  const left = () => ingest.left() + status.left() + quarantine.left()
  while (left() > 0) {
    if (Date.now() > deadline) throw new Error(`${left()} messages are not handled after two quiet minutes`)
    for (const consumers of [ingest, status, quarantine]) consumers.hurry()
    await sleep(50)
  }
}
