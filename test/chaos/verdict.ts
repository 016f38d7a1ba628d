/**
 * Compares what the system holds with what was sent. Every check tells the first thing that differs; none is silent when
 * its subject is missing.
 */
import { isDeepStrictEqual } from 'node:util'
import type pg from 'pg'
import { createClient } from 'redis'
import type { Rollups } from '../../lambdas/data/database.ts'
import { expectedRollups } from '../helpers/expected-rollups.ts'
import { type Completeness, completenessOf } from './completeness.ts'
import { type Content, type Generator, type Missing, type SentMachine } from './generator.ts'
import { newestState, type StoredReading } from './newest-state.ts'
import { quarantined } from './quarantine.ts'
import { type StoredMachine, storedMachines } from './stored-machines.ts'
import type { System } from './system.ts'

export interface Verdict {
  /** The first difference that each check has found: none when the system is right. */
  differences: string[]
  counts: { readings: number; deliveries: number; missing: number; refused: number }
}

type Differs = (what: string) => void

export async function judge(system: System, generator: Generator, database: pg.Pool): Promise<Verdict> {
  const differences = new Map<string, string>()
  const differs = (check: string) => (what: string) => {
    if (!differences.has(check)) differences.set(check, `${check}: ${what}`)
  }
  const refused = new Map([...generator.refused].map(([body, code]): [string, string[]] => [body, [code]]))
  const counts = { readings: 0, deliveries: 0, missing: 0, refused: 0 }
  const redis = createClient({ url: system.cacheUrl() })
  await redis.connect()
  try {
    const { rows: progress } = await database.query<{ hour: number }>('select hour from rollup_progress')
    for (const [plant, machines] of Map.groupBy(generator.machines, (machine) => machine.plant)) {
      const stored = await storedMachines(database, redis, plant)
      compareNames(machines, [...stored.keys()], differs('machines'))
      for (const machine of machines) {
        const held = stored.get(machine.slug)
        if (held === undefined) continue // the names differ
        const of = (check: string) => (what: string) =>
          differs(check)(`${plant.tenant}/${plant.plant}/${machine.slug} ${what}`)
        compareRows(machine, held.rows, refused, of('rows'))
        compareLedger(held, of('ledger'))
        compareRepeats(machine, held, of('repeats'))
        compareState(held, of('state'))
        compareCache(held, of('Redis'))
        compareRollups(held, progress[0]!.hour, of('rollups'))
        compareCompleteness(
          machine,
          held.rows.length,
          await completenessOf(database, plant, held.id),
          of('completeness'),
        )
        counts.readings += held.rows.length
        counts.deliveries += machine.deliveries
        counts.missing += machine.missing.size
      }
    }
  } finally {
    redis.destroy()
  }
  counts.refused = [...refused.values()].flat().length
  const tenants = new Set(generator.machines.map(({ plant }) => plant.tenant)).add(generator.fullPlant.tenant)
  compareQuarantine(await quarantined(database), refused, [...tenants], differs('quarantine'))
  return { differences: [...differences.values()], counts }
}

function compareNames(machines: SentMachine[], made: string[], differs: Differs): void {
  const sent = new Set(machines.map(({ slug }) => slug))
  const [missing] = sent.difference(new Set(made))
  const [invented] = new Set(made).difference(sent)
  const { plant } = machines[0]!.plant
  if (missing !== undefined) differs(`${plant}/${missing} was not made`)
  if (invented !== undefined) differs(`${plant}/${invented} was made, and sent nothing`)
}

/**
 * Each seq that was sent is one row with one of the contents sent under it, and the other contents are refused as
 * conflicts; there is no other row.
 */
function compareRows(
  machine: SentMachine,
  rows: StoredReading[],
  refused: Map<string, string[]>,
  differs: Differs,
): void {
  const bySeq = Map.groupBy(rows, ({ seq }) => seq)
  for (const [seq, contents] of machine.bySeq) {
    const stored = bySeq.get(seq) ?? []
    bySeq.delete(seq)
    const chosen = stored[0] && contents.find((content) => isStoredAs(content, stored[0]!))
    if (stored.length !== 1) differs(`seq ${seq}: is stored ${stored.length} times, not once`)
    else if (!chosen) differs(`seq ${seq}: ${show(stored[0])} is stored, ${show(contents)} was sent`)
    for (const { bodies = [] } of contents.filter((content) => content !== chosen))
      for (const body of bodies) refused.set(body, [...(refused.get(body) ?? []), 'seq_conflict'])
  }
  for (const seq of bySeq.keys()) differs(`seq ${seq}: is stored, and was never sent`)
}

const isStoredAs = ({ receivedAt, timestamp, values, quality }: Content, row: StoredReading) =>
  receivedAt.includes(row.receivedAt) &&
  isDeepStrictEqual([timestamp, values, quality], [row.timestamp, row.values, row.quality])

function compareLedger({ rows, ledger }: StoredMachine, differs: Differs): void {
  const seqs = new Set(rows.map(({ seq }) => seq))
  const [unknown] = seqs.difference(ledger)
  const [invented] = ledger.difference(seqs)
  if (unknown !== undefined) differs(`seq ${unknown}: is stored, and the ledger does not know it`)
  if (invented !== undefined) differs(`seq ${invented}: is in the ledger, and not stored`)
}

/** At least, because a delivery whose answer was lost is counted again. */
function compareRepeats({ deliveries }: SentMachine, { rows, repeats }: StoredMachine, differs: Differs): void {
  const counted = rows.length + repeats
  if (counted < deliveries) differs(`${counted} of ${deliveries} valid deliveries are counted`)
}

function compareState({ rows, state }: StoredMachine, differs: Differs): void {
  if (rows.length === 0) return // the rows differ
  const newest = newestState(rows)
  if (!isDeepStrictEqual(state, newest)) differs(`seq ${newest.seq}: ${show(newest)} is the newest, not ${show(state)}`)
}

/** Redis is told by the last reading of each machine, whatever it had missed before. */
function compareCache({ rows, revision, cached }: StoredMachine, differs: Differs): void {
  if (rows.length === 0) return
  const { ts: timestamp, seq, received_at: receivedAt, values, quality } = newestState(rows)
  const told = { timestamp, seq, receivedAt, values, ...(quality && { quality }) }
  if (!isDeepStrictEqual([cached?.state, cached?.revision], [told, revision]))
    differs(`seq ${seq}: ${show(told)} is the newest, not ${show(cached)}`)
}

/** Those of all hours that have been put on the queue; of another one only late readings may have been rolled up. */
function compareRollups(machine: StoredMachine, thisHour: number, differs: Differs): void {
  const expected = expectedRollups(machine.rows).filter(({ hour }) => hour! < thisHour)
  const rollups = machine.rollups.filter(({ hour }) => hour < thisHour)
  const nameOf = (rollup: Partial<Rollups> | undefined) => `${rollup?.tag} ${rollup?.kind} of hour ${rollup?.hour}`
  for (const [index, one] of expected.entries()) {
    const row = rollups[index]
    const held = Object.fromEntries(Object.keys(one).map((column) => [column, row?.[column as keyof Rollups]]))
    if (!isDeepStrictEqual(held, one)) differs(`${nameOf(one)}: ${show(one)} are its readings, not ${show(row)}`)
  }
  if (rollups.length > expected.length) differs(`${nameOf(rollups[expected.length])} has no readings`)
}

/** What never came is missing, to the seq, each for its own reason. */
function compareCompleteness(
  { first, seq: last, missing }: SentMachine,
  stored: number,
  told: Completeness,
  differs: Differs,
): void {
  const count = (what: Missing) => [...missing.values()].filter((one) => one === what).length
  const [dropped, quarantined, lost] = [count('dropped'), count('quarantined'), count('lost')]
  const expected = {
    ...{ expected: last - first + 1, stored, missing: missing.size, dropped, quarantined, lost },
    ...{ held: 0, underway: 0, undeclared: 0, missingRanges: rangesOf(missing) },
  }
  if (!isDeepStrictEqual(told, expected)) differs(`${show(expected)} is so, not ${show(told)}`)
}

/** Newest first; neighbours that are missing for the same reason are one range. */
function rangesOf(missing: Map<number, Missing>) {
  const ranges: { from: number; to: number; state: Missing }[] = []
  for (const [seq, state] of [...missing].toSorted(([one], [two]) => two - one)) {
    const before = ranges.at(-1)
    if (before?.state === state && before.from === seq + 1) before.from = seq
    else ranges.push({ from: seq, to: seq, state })
  }
  return ranges
}

/** Each message that was refused is there once, with its code, for the tenant that its topic names. */
function compareQuarantine(
  rows: Map<string, { code: string; tenant: string | null }[]>,
  refused: Map<string, string[]>,
  tenants: string[],
  differs: Differs,
): void {
  for (const [body, codes] of refused) {
    const tenant = tenants.find((one) => body.includes(`"topic":"factory/${one}/`)) ?? null
    const held = rows.get(body) ?? []
    rows.delete(body)
    const expected = codes.map((code) => ({ code, tenant }))
    if (!isDeepStrictEqual(held, expected)) differs(`${show(held)}, not ${show(expected)}, of ${body}`)
  }
  for (const [body, held] of rows) differs(`${show(held)}, of what should be stored: ${body}`)
}

const show = (thing: unknown) => JSON.stringify(thing)
