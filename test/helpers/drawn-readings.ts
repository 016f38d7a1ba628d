import fc from 'fast-check'
import { HOUR_MS } from '../../lambdas/data/rollup-queue.ts'
import type { ReadingToStore } from '../../lambdas/data/store-telemetry.ts'

/** Names that every object has already are as good as others. */
export const TAGS = ['a', 'toString', 'hasOwnProperty', 'b.c-d_1']

const value = fc.oneof(
  // Eighths: their sums are exact in whatever order they are added.
  { weight: 3, arbitrary: fc.integer({ min: -1e6, max: 1e6 }).map((eighths) => eighths / 8) },
  fc.boolean(),
  fc.constantFrom('RUN', 'STOP', 'á "quoted", {text}', 'NULL', ''),
  fc.constant(null),
)

/**
 * Batches of readings in any order, of two machines, within three hours: around the ends of minutes and hours as well as
 * anywhere, with numbers, booleans, strings, nulls and bad values in the same tags. Call the draw with what makes them real.
 */
export const drawnBatches = fc
  .array(
    fc.array(
      fc.record({
        machine: fc.nat(1),
        at: fc.oneof(
          fc.nat(3 * HOUR_MS - 1),
          fc.tuple(fc.nat(179), fc.constantFrom(0, 1, 59_999)).map(([minute, ms]) => minute * 60_000 + ms),
        ),
        values: fc.dictionary(fc.constantFrom(...TAGS), value, { minKeys: 1 }),
        bad: fc.subarray(TAGS, { maxLength: 1 }),
      }),
      { minLength: 1, maxLength: 25 },
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map(
    (drawn) =>
      ({ tenantId, machines, start }: { tenantId: string; machines: string[]; start: number }): ReadingToStore[][] => {
        let seq = 0
        return drawn.map((batch) =>
          batch.map(({ machine, at, values, bad }) => {
            const quality = Object.fromEntries(
              bad.filter((tag) => Object.hasOwn(values, tag)).map((tag) => [tag, 'bad' as const]),
            )
            return {
              ...{ tenantId, machineId: machines[machine]!, seq: seq++, timestamp: start + at },
              ...{ receivedAt: start + at, values: { ...values } },
              ...(Object.keys(quality).length > 0 && { quality }),
            }
          }),
        )
      },
  )
