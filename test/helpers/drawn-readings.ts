import fc from 'fast-check'
import { HOUR_MS } from '../../lambdas/data/rollup-queue.ts'
import type { ReadingToStore } from '../../lambdas/data/store-telemetry.ts'

/** Names that every object has already are as good as others. */
export const TAGS = ['a', 'toString', 'hasOwnProperty', 'b.c-d_1']

// Eighths: their sums are exact in whatever order they are added.
const number = fc.integer({ min: -1e6, max: 1e6 }).map((eighths) => eighths / 8)
const text = fc.constantFrom('RUN', 'STOP', 'á "quoted", {text}', 'NULL', '')

/** Numbers, booleans, strings and nulls in the same tags. */
export const mixedValues = fc.dictionary(
  fc.constantFrom(...TAGS),
  fc.oneof({ weight: 3, arbitrary: number }, fc.boolean(), text, fc.constant(null)),
  { minKeys: 1 },
)

/** Each tag with a kind of its own, or null. */
export const steadyValues = fc
  .record(
    { a: fc.option(number), toString: fc.option(fc.boolean()), hasOwnProperty: fc.option(text), 'b.c-d_1': number },
    { requiredKeys: [] },
  )
  .filter((values) => Object.keys(values).length > 0)

/**
 * Batches of readings in any order, of two machines, within three hours from `start`: around the ends of minutes and
 * hours as well as anywhere, some of them bad. `stepMs` is between their timestamps. Call the draw with what makes them real.
 */
export const drawnBatches = (values: fc.Arbitrary<ReadingToStore['values']>, stepMs = 1) =>
  fc
    .array(
      fc.array(
        fc.record({
          machine: fc.nat(1),
          at: fc.oneof(
            fc.nat(3 * HOUR_MS - 1),
            fc.tuple(fc.nat(179), fc.constantFrom(0, 1, 59_999)).map(([minute, ms]) => minute * 60_000 + ms),
          ),
          values,
          bad: fc.subarray(TAGS, { maxLength: 1 }),
        }),
        { minLength: 1, maxLength: 25 },
      ),
      { minLength: 1, maxLength: 6 },
    )
    .map(
      (drawn) =>
        ({
          tenantId,
          machines,
          start,
        }: {
          tenantId: string
          machines: string[]
          start: number
        }): ReadingToStore[][] => {
          let seq = 1020 // a block of the ledger ends soon
          return drawn.map((batch) =>
            batch.map(({ machine, at, values, bad }) => {
              const timestamp = start + at - (at % stepMs)
              const quality = Object.fromEntries(
                bad.filter((tag) => Object.hasOwn(values, tag)).map((tag) => [tag, 'bad' as const]),
              )
              return {
                ...{ tenantId, machineId: machines[machine]!, seq: seq++, timestamp, receivedAt: timestamp },
                values: { ...values },
                ...(Object.keys(quality).length > 0 && { quality }),
              }
            }),
          )
        },
    )
