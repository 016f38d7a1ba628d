import fc from 'fast-check'
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DAY_MS } from '../../lambdas/data/partitions.ts'
import { openCompleteness } from '../helpers/completeness.ts'
import { createGateway } from '../helpers/plant.ts'

const now = Date.now()
const start = Math.ceil((now - DAY_MS) / 1024) * 1024

let system: Awaited<ReturnType<typeof openCompleteness>>
beforeAll(async () => {
  system = await openCompleteness(now)
})
afterAll(() => system.close())

const fate = fc.constantFrom('stored', 'stored', 'lost', 'held', 'dropped')
/** An outbox: of which gateway, how long after the one before it begins, its readings in runs of one fate, ms between two. */
const outbox = fc.record({
  gateway: fc.nat(1),
  gap: fc.integer({ min: 1, max: 2000 }),
  runs: fc.array(fc.tuple(fate, fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1000, max: 1100 }))), {
    minLength: 1,
    maxLength: 6,
  }),
  stepMs: fc.integer({ min: 1, max: 3 }),
})

interface ModelOutbox {
  gateway: number
  first: number
  last: number
  timeOf: (seq: number) => number
  fateOf: Map<number, string>
}

function modelOf(drawn: typeof outbox extends fc.Arbitrary<infer T> ? T[] : never): ModelOutbox[] {
  let next = start
  const outboxes = drawn.map(({ gateway, gap, runs, stepMs }) => {
    const first = next + gap
    const fates = runs.flatMap(([name, count]) => Array.from({ length: count }, () => name))
    next = first + fates.length
    const timeOf = (seq: number) => first + (seq - first) * stepMs
    return {
      gateway,
      first,
      last: next - 1,
      timeOf,
      fateOf: new Map(fates.map((name, index) => [first + index, name])),
    }
  })
  // A gateway holds nothing of an outbox that it has lost.
  return outboxes.map((one) => {
    if (one === outboxes.findLast(({ gateway }) => gateway === one.gateway)) return one
    const fateOf = new Map([...one.fateOf].map(([seq, name]) => [seq, name === 'held' ? 'lost' : name]))
    return { ...one, fateOf }
  })
}

/** The definition, reading by reading: what is between the newest one before `from` and the oldest one from `to` on. */
function expectedOf(outboxes: ModelOutbox[], from = 0, to = Infinity) {
  const asked = outboxes.flatMap(({ first, last, timeOf, fateOf }) => {
    if (first >= to || timeOf(last) + 300_000 < from) return []
    const stored = [...fateOf].filter(([, name]) => name === 'stored').map(([seq]) => seq)
    const before = stored.findLast((seq) => timeOf(seq) < from) ?? first - 1
    const after = stored.find((seq) => timeOf(seq) >= to) ?? last + 1
    return [...fateOf].filter(([seq]) => seq > before && seq < after)
  })
  const missingRanges: { from: number; to: number; state: string }[] = []
  for (const [seq, state] of asked.filter(([, name]) => name !== 'stored').toSorted(([one], [two]) => two - one)) {
    const newer = missingRanges.at(-1)
    if (newer?.state === state && newer.from === seq + 1) newer.from = seq
    else missingRanges.push({ from: seq, to: seq, state })
  }
  const count = (state: string) => asked.filter(([, name]) => name === state).length
  return {
    ...{ expected: asked.length, stored: count('stored'), missing: asked.length - count('stored') },
    ...{
      held: count('held'),
      dropped: count('dropped'),
      quarantined: 0,
      lost: count('lost'),
      underway: 0,
      undeclared: 0,
    },
    missingRanges,
  }
}

const rangesOf = (fateOf: Map<number, string>, wanted: string) =>
  [...fateOf]
    .filter(([, name]) => name === wanted)
    .reduce<[number, number][]>((ranges, [seq]) => {
      const newest = ranges.at(-1)
      if (newest?.[1] === seq - 1) newest[1] = seq
      else ranges.push([seq, seq])
      return ranges
    }, [])

let run = 0

test('whatever happens to readings, completeness says it to the seq, of all and of any range of time', async () => {
  const range = fc.tuple(fc.integer({ min: -10, max: 12_000 }), fc.integer({ min: 1, max: 8000 }))
  const outboxes = fc.array(outbox, { minLength: 1, maxLength: 4 })
  const property = fc.asyncProperty(
    outboxes,
    fc.array(range, { minLength: 1, maxLength: 3 }),
    fc.boolean(),
    async (drawn, ranges, note) => {
      const machine = await system.newMachine(`model-${(run += 1)}`)
      const other = uuid()
      await createGateway(system.database.master, { ...machine, gatewayId: other, thingName: `model-${run}-2` })
      const model = modelOf(drawn)
      for (const [index, { gateway, first, last, timeOf, fateOf }] of model.entries()) {
        const by = {
          gatewayId: gateway === 0 ? machine.gatewayId : other,
          timestamp: timeOf(last),
          receivedAt: now + index,
        }
        const ledger = { first, last, dropped: rangesOf(fateOf, 'dropped'), pending: rangesOf(fateOf, 'held') }
        await machine.declare(ledger, by)
        await machine.declare(
          { first, last: Math.ceil((first + last) / 2), dropped: [] },
          { ...by, receivedAt: now + index - 1 },
        )
        await machine.store(
          [...fateOf.keys()].filter((seq) => fateOf.get(seq) === 'stored'),
          timeOf,
        )
      }
      if (note) await system.database.master.query('select note_full_blocks()')
      expect(await machine.read()).toMatchObject(expectedOf(model))
      for (const [offset, length] of ranges) {
        const asked = { from: start + offset, to: start + offset + length }
        expect(await machine.read(asked)).toMatchObject(expectedOf(model, asked.from, asked.to))
      }
    },
  )
  await fc.assert(property, { numRuns: 20 })
}, 60_000)
