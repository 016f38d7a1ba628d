/**
 * Compares what the system holds with what was sent. Every check tells the first thing that differs; none is silent when
 * its subject is missing.
 */
import { isDeepStrictEqual } from 'node:util'
import type pg from 'pg'
import { createClient } from 'redis'
import { deadLettersByBody } from './dead-letters.ts'
import type { Content, Generator, SentMachine } from './generator.ts'
import { newestState, type StoredReading } from './newest-state.ts'
import { type StoredMachine, storedMachines } from './stored-machines.ts'
import type { System } from './system.ts'

export interface Verdict {
  /** The first difference that each check has found: none when the system is right. */
  differences: string[]
  counts: { readings: number; deliveries: number; withheld: number; refused: number; extraDeadLetters: number }
}

type Differs = (what: string) => void

export async function judge(system: System, generator: Generator, database: pg.Pool): Promise<Verdict> {
  const differences = new Map<string, string>()
  const differs = (check: string) => (what: string) => {
    if (!differences.has(check)) differences.set(check, `${check}: ${what}`)
  }
  const expected = new Map<string, string>(generator.refused)
  const counts = { readings: 0, deliveries: 0, withheld: 0, refused: 0, extraDeadLetters: 0 }
  const redis = createClient({ url: system.cacheUrl() })
  await redis.connect()
  try {
    for (const [plant, machines] of Map.groupBy(generator.machines, (machine) => machine.plant)) {
      const stored = await storedMachines(database, redis, plant)
      compareNames(machines, [...stored.keys()], differs('machines'))
      for (const machine of machines) {
        const held = stored.get(machine.slug)
        if (held === undefined) continue // the names differ
        const of = (check: string) => (what: string) =>
          differs(check)(`${plant.tenant}/${plant.plant}/${machine.slug} ${what}`)
        compareRows(machine, held.rows, expected, of('rows'))
        compareLedger(held, of('ledger'))
        compareRepeats(machine, held, of('repeats'))
        compareState(held, of('state'))
        compareCache(held, of('Redis'))
        counts.readings += held.rows.length
        counts.deliveries += machine.deliveries
        counts.withheld += machine.withheld.size
      }
    }
  } finally {
    redis.destroy()
  }
  counts.refused = expected.size
  counts.extraDeadLetters = compareDeadLetters(deadLettersByBody(system), expected, differs('dead letters'))
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
  expected: Map<string, string>,
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
      for (const body of bodies) expected.set(body, 'seq_conflict')
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

/**
 * A message is in the dead letters once for each time that its handling was cut off between the send and the deletion:
 * SQS sends at least once. Returns the number of such copies.
 */
function compareDeadLetters(letters: Map<string, string[]>, expected: Map<string, string>, differs: Differs): number {
  let extra = 0
  for (const [body, code] of expected) {
    const codes = letters.get(body) ?? []
    letters.delete(body)
    if (codes.length === 0) differs(`nothing was refused as ${code} of ${body}`)
    if (codes.some((one) => one !== code)) differs(`refused as ${codes.join(', ')} instead of ${code}: ${body}`)
    extra += Math.max(0, codes.length - 1)
  }
  for (const [body, codes] of letters) differs(`refused as ${codes.join(', ')}, and should be stored: ${body}`)
  return extra
}

const show = (thing: unknown) => JSON.stringify(thing)
