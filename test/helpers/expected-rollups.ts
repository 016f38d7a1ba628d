/** The rollups that readings must come to, by the simplest means: filter and sort. */
import type { ReadingToStore } from '../../lambdas/data/store-telemetry.ts'
import type { Scalar } from '../../schemas/telemetry.ts'

export interface TagReading {
  at: number
  seq: number
  value: Scalar
}

/** Of one tag, in order; what is no value is null. */
export function readingsOfTag(readings: ReadingToStore[], tag: string): TagReading[] {
  return readings
    .filter((reading) => Object.hasOwn(reading.values, tag))
    .toSorted((one, two) => one.timestamp - two.timestamp || one.seq - two.seq)
    .map(({ timestamp, seq, values, quality }) => {
      const isBad = quality !== undefined && Object.hasOwn(quality, tag) && quality[tag] === 'bad'
      return { at: timestamp, seq, value: isBad ? null : values[tag]! }
    })
}

/** Of the numbers or booleans in one cell; undefined when there are none. `all` are the tag's readings of any time. */
export function expectedCell(all: TagReading[], kind: 'number' | 'boolean', from: number, to: number) {
  const inside = all.filter(({ at }) => at >= from && at < to)
  const amounts = inside.filter(({ value }) => typeof value === kind).map(({ value }) => Number(value))
  if (amounts.length === 0) return undefined
  const held = inside.map(({ at, value }, index) => ({ value, ms: (inside[index + 1]?.at ?? to) - at }))
  const msOf = (values: unknown[]) =>
    held.filter(({ value }) => values.includes(value)).reduce((sum, { ms }) => sum + ms, 0)
  return {
    count: amounts.length,
    min: Math.min(...amounts),
    max: Math.max(...amounts),
    last: amounts.at(-1)!,
    sum: kind === 'number' ? amounts.reduce((sum, amount) => sum + amount, 0) : msOf([true]),
    weight: kind === 'number' ? amounts.length : msOf([true, false]),
  }
}

/** `[at, value]` of the strings in the readings given: value until the next reading, null when silent for 5 minutes. */
export function expectedChanges(readings: TagReading[], thinMs: number): [number, string | null][] {
  const told = readings.flatMap(({ at, value }, index): [number, string | null][] => {
    const text: [number, string | null] = [at, typeof value === 'string' ? value : null]
    const next = readings[index + 1]
    return next !== undefined && next.at - at > 300_000 ? [text, [at + 300_000, null]] : [text]
  })
  const onlyChanges = (all: typeof told) =>
    all.filter(([, value], index) => index === 0 || value !== all[index - 1]![1])
  const windows = Map.groupBy(onlyChanges(told), ([at]) => Math.floor(at / thinMs))
  return onlyChanges([...windows.values()].map((inside) => inside.at(-1)!))
}
