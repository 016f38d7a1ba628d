import fc from 'fast-check'
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ReadingToStore, storeTelemetry } from '../../lambdas/data/store-telemetry.ts'
import type { MachineState } from '../../schemas/live.ts'
import { createDatabase, type TestDatabase } from '../helpers/postgres.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createDatabase()
})
afterAll(() => database.close())

const now = Date.now()
const tags = ['a', 'b', 'c', 'd']

/** A reading with some of the tags, at one of few times, so that all orders and ties occur. */
const reading = fc.record({
  machine: fc.nat(1),
  timestamp: fc.integer({ min: now, max: now + 4 }),
  receivedAt: fc.integer({ min: now + 5, max: now + 9 }),
  values: fc.dictionary(fc.constantFrom(...tags), fc.integer({ min: 0, max: 3 }), { minKeys: 1 }),
  bad: fc.subarray(tags),
})

/** What the state must be: of each tag the newest value by (timestamp, seq), whatever the order of arrival. */
function expectedState(readings: ReadingToStore[]) {
  const inOrder = readings.toSorted((one, two) => one.timestamp - two.timestamp || one.seq - two.seq)
  const newest = inOrder.at(-1)!
  const teller = new Map(inOrder.flatMap((one) => Object.keys(one.values).map((tag) => [tag, one] as const)))
  const told = [...teller]
  const quality = told.flatMap(([tag, { quality }]) => (quality?.[tag] === undefined ? [] : [[tag, quality[tag]]]))
  const older = told.filter(([, one]) => one !== newest).map(([tag, one]) => [tag, [one.timestamp, one.seq]])
  return {
    ts: newest.timestamp,
    seq: newest.seq,
    received_at: newest.receivedAt,
    last_seen_at: Math.max(...readings.map((one) => one.receivedAt)),
    values: Object.fromEntries(told.map(([tag, one]) => [tag, one.values[tag]])),
    quality: quality.length === 0 ? null : (Object.fromEntries(quality) as Record<string, unknown>),
    older_tags: older.length === 0 ? null : (Object.fromEntries(older) as Record<string, unknown>),
  }
}

test('the state is the newest value of each tag, for all orders of arrival and all cuts into batches', async () => {
  const tenantId = uuid()
  const batches = fc.array(fc.array(reading, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(batches, fc.infiniteStream(fc.nat()), async (drawn, random) => {
      const machines = [uuid(), uuid()]
      const seqs = drawn.flat().map((_, index) => [random.next().value, index] as const)
      const shuffled = seqs.toSorted(([one], [two]) => one - two).map(([, seq]) => seq)
      const stored: ReadingToStore[] = []
      const lastTold = new Map<string, MachineState>()
      for (const batch of drawn) {
        const readings = batch.map(({ machine, timestamp, receivedAt, values, bad }): ReadingToStore => {
          const quality = Object.fromEntries(bad.filter((tag) => tag in values).map((tag) => [tag, 'bad' as const]))
          const graded = Object.keys(quality).length > 0 && { quality }
          const seq = shuffled[stored.length + batch.findIndex((one) => one.values === values)]!
          return { tenantId, machineId: machines[machine]!, seq, timestamp, receivedAt, values, ...graded }
        })
        stored.push(...readings)
        const again = { ...readings[0]! }
        const conflict = { ...readings.at(-1)!, values: { a: -1 } }
        const { outcomes, states } = await storeTelemetry(database.master, [...readings, again, conflict], 0)
        expect(outcomes).toEqual([...readings.map(() => 'new'), 'duplicate', 'seq_conflict'])
        for (const [machineId, state] of states) lastTold.set(machineId, state)
      }
      for (const [machineId, ofMachine] of Map.groupBy(stored, (one) => one.machineId)) {
        const expected = expectedState(ofMachine)
        const { rows } = await database.master.query<Record<string, unknown>>(
          'select ts, seq, received_at, last_seen_at, values, quality, older_tags from machine_state where machine_id = $1',
          [machineId],
        )
        expect(rows).toEqual([expected])
        const { ts, seq, received_at, values, quality } = expected
        const told = { timestamp: ts, seq, receivedAt: received_at, values, ...(quality && { quality }) }
        expect(lastTold.get(machineId)).toEqual(told)
      }
    }),
    { numRuns: 300 },
  )
})
