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

  const feeding = feed(system, generator, done.signal)
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
    await feeding
  }
  for (const body of generator.rest()) system.send(body)
  await drained(system)
  // All consumers commit and tell Redis at the same moment: the last to tell is not the last to have committed.
  const heldUp = holdUp(system)
  for (const body of generator.closing()) system.send(body)
  await heldUp
  await drained(system)
  const verdict = await system.withDatabase((database) => judge(system, generator, database))
  return { ...verdict, generator, bites }
}

async function feed(system: System, generator: Generator, done: AbortSignal): Promise<void> {
  while (!done.aborted) {
    if (system.telemetry.messages.length > ENOUGH_WAITING) await sleep(20)
    else for (const body of generator.round(READINGS_PER_ROUND)) system.send(body)
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

/**
 * Until the queue is empty. What a consumer has given back, or has taken into its end, is made visible at once: minutes of
 * back-off would prove nothing here.
 */
export async function drained({ telemetry, consumers }: System): Promise<void> {
  const deadline = Date.now() + 120_000
  for (;;) {
    const waiting = [...telemetry.inflightMessages.keys()]
    if (telemetry.messages.length + waiting.length === 0) return
    if (Date.now() > deadline)
      throw new Error(`${telemetry.messages.length + waiting.length} messages are not handled after two quiet minutes`)
    for (const handle of waiting) if (consumers.ended.has(handle)) telemetry.changeVisibility(handle, 0)
    await sleep(50)
  }
}
