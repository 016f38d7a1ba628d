import fc from 'fast-check'
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ReadingToStore, storeTelemetry } from '../../lambdas/data/store-telemetry.ts'
import type { MachineState } from '../../schemas/live.ts'
import { newestState } from '../chaos/newest-state.ts'
import { createDatabase, type TestDatabase } from '../helpers/postgres.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createDatabase()
})
afterAll(() => database.close())

const now = Date.now()
const tags = ['a', 'b', 'c']
/** Shortly before a block of the ledger ends. */
const FIRST_SEQ = 1022

/** A reading with some of the tags, at one of few times, so that all orders and ties occur; most are newer than those of batches before. */
const reading = fc.record({
  machine: fc.nat(1),
  delayMs: fc.integer({ min: -4, max: 0 }),
  receivedAt: fc.integer({ min: now + 5, max: now + 9 }),
  values: fc.dictionary(fc.constantFrom(...tags), fc.integer({ min: 0, max: 3 }), { minKeys: 1 }),
  bad: fc.subarray(tags),
})

test('the state is the newest value of each tag, for all orders of arrival and all cuts into batches', async () => {
  const tenantId = uuid()
  const batches = fc.array(fc.array(reading, { minLength: 1, maxLength: 3 }), {
    minLength: 1,
    maxLength: 9,
    size: 'max',
  })
  await fc.assert(
    fc.asyncProperty(batches, fc.infiniteStream(fc.nat()), async (drawn, random) => {
      const machines = [uuid(), uuid()]
      const seqs = drawn.flat().map((_, index) => [random.next().value, index] as const)
      const shuffled = seqs.toSorted(([one], [two]) => one - two).map(([, seq]) => seq)
      const stored: ReadingToStore[] = []
      const lastTold = new Map<string, MachineState>()
      for (const [index, batch] of drawn.entries()) {
        const readings = batch.map(({ machine, delayMs, receivedAt, values, bad }): ReadingToStore => {
          const timestamp = now + index * 2 + delayMs
          const quality = Object.fromEntries(bad.filter((tag) => tag in values).map((tag) => [tag, 'bad' as const]))
          const graded = Object.keys(quality).length > 0 && { quality }
          const seq = FIRST_SEQ + shuffled[stored.length + batch.findIndex((one) => one.values === values)]!
          return { tenantId, machineId: machines[machine]!, seq, timestamp, receivedAt, values, ...graded }
        })
        stored.push(...readings)
        const again = { ...readings[0]! }
        const last = readings.at(-1)!
        const conflict = { ...last, values: Object.fromEntries(Object.keys(last.values).map((tag) => [tag, -1])) }
        const { outcomes, states } = await storeTelemetry(database.master, [...readings, again, conflict], 0)
        expect(outcomes).toEqual([...readings.map(() => 'new'), 'duplicate', 'seq_conflict'])
        for (const [machineId, state] of states) lastTold.set(machineId, state)
        for (const [machineId, ofMachine] of Map.groupBy(stored, (one) => one.machineId)) {
          const expected = newestState(ofMachine)
          const { rows } = await database.master.query<Record<string, unknown>>(
            'select ts, seq, received_at, last_seen_at, values, quality, older_tags from machine_state where machine_id = $1',
            [machineId],
          )
          expect(rows).toEqual([expected])
          const { ts, seq, received_at, values, quality } = expected
          const told = { timestamp: ts, seq, receivedAt: received_at, values, ...(quality && { quality }) }
          expect(lastTold.get(machineId)).toEqual(told)
        }
      }
    }),
    { numRuns: 500 },
  )
})

test('a seq of the newest block, which stands beside the state, is judged as one of a closed block', async () => {
  const machineId = uuid()
  const base = { tenantId: uuid(), machineId, receivedAt: now, values: { a: 1 } }
  const oldest = now - 1000
  const store = async (seq: number, other: Partial<ReadingToStore> = {}) =>
    (await storeTelemetry(database.master, [{ ...base, seq, timestamp: now + seq, ...other }], oldest)).outcomes[0]
  const ledger = async () => {
    const { rows } = await database.master.query<{ block: number; received: string; repeats: number }>(
      'select block, received, repeats from machine_ledger where machine_id = $1 order by block',
      [machineId],
    )
    return rows.map(({ block, received, repeats }) => ({
      seqs: [...received.matchAll(/1/g)].map(({ index }) => block * 1024 + index),
      repeats,
    }))
  }

  for (const seq of [1023, 1024, 1026]) expect(await store(seq)).toBe('new')
  expect(await store(1025, { timestamp: now })).toBe('new') // late: the state knows newer
  expect(await store(1025, { timestamp: now })).toBe('duplicate')
  expect(await store(1026, { values: { a: 2 } })).toBe('seq_conflict')
  expect(await store(1026, { timestamp: now })).toBe('seq_conflict')
  expect(await store(1027, { timestamp: oldest - 1 })).toBe('timestamp_too_old')
  expect(await store(1026, { timestamp: oldest - 1 })).toBe('duplicate')
  expect(await ledger()).toEqual([
    { seqs: [1023], repeats: 0 },
    { seqs: [1024, 1025, 1026], repeats: 5 },
  ])
  expect(await store(2048)).toBe('new')
  for (const seq of [1023, 1024, 1025, 2048]) {
    expect(await store(seq, seq === 1025 ? { timestamp: now } : {})).toBe('duplicate')
  }
  expect(await store(1027)).toBe('new')
  expect(await ledger()).toEqual([
    { seqs: [1023], repeats: 1 },
    { seqs: [1024, 1025, 1026, 1027], repeats: 7 },
    { seqs: [2048], repeats: 1 },
  ])
  const { rows } = await database.master.query(
    'select s.ts, s.seq, (select count(*) from telemetry_events e where e.machine_id = s.machine_id) as events from machine_state s where s.machine_id = $1',
    [machineId],
  )
  expect(rows).toEqual([{ ts: now + 2048, seq: 2048, events: 6 }])
})
