/** The rollups that readings must come to, by the simplest means: filter and sort. */
import type { Rollups } from '../../lambdas/data/database.ts'
import { HOUR_MS } from '../../lambdas/data/rollup-queue.ts'
import type { Scalar, TelemetryV1 } from '../../schemas/telemetry.ts'

type Reading = Pick<TelemetryV1, 'timestamp' | 'seq' | 'values' | 'quality'>

export interface TagReading {
  at: number
  seq: number
  value: Scalar
}

/** Of one tag, in order; what is no value is null. */
export function readingsOfTag(readings: Reading[], tag: string): TagReading[] {
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

/** Rows that the readings of one machine come to, in the order of (tag, hour, kind), each with the columns that matter to its kind. */
export function expectedRollups(readings: Reading[]): Partial<Rollups>[] {
  const tags = [...new Set(readings.flatMap(({ values }) => Object.keys(values)))].toSorted()
  return tags.flatMap((tag) => {
    const byHour = Map.groupBy(readingsOfTag(readings, tag), ({ at }) => Math.floor(at / HOUR_MS))
    return [...byHour]
      .toSorted(([one], [two]) => one - two)
      .flatMap(([hour, inside]) => [
        ...expectedBad(inside, tag, hour),
        ...(['boolean', 'number'] as const).flatMap((kind) => expectedNumbers(inside, kind, tag, hour)),
        ...expectedStrings(inside, tag, hour),
      ])
  })
}

function expectedBad(inside: TagReading[], tag: string, hour: number) {
  const minutes = inside.filter(({ value }) => value === null).map(({ at }) => Math.floor(at / 60_000) % 60)
  if (minutes.length === 0) return []
  const minute_count = Array.from({ length: 60 }, (_, minute) => minutes.filter((each) => each === minute).length)
  return [{ tag, hour, kind: 'bad' as const, count: minutes.length, minute_count, min: null, last_ms: null }]
}

function expectedNumbers(inside: TagReading[], kind: 'boolean' | 'number', tag: string, hour: number) {
  if (!inside.some(({ value }) => typeof value === kind)) return []
  const cells = Array.from({ length: 60 }, (_, minute) => {
    const from = hour * HOUR_MS + minute * 60_000
    return expectedCell(inside, kind, from, from + 60_000)
  })
  const known = cells.filter((cell) => cell !== undefined)
  const total = (what: 'count' | 'sum' | 'weight') => known.reduce((sum, cell) => sum + cell[what], 0)
  const isBoolean = kind === 'boolean'
  return [
    {
      ...{ tag, hour, kind, count: total('count'), sum: total('sum'), last: known.at(-1)!.last },
      min: Math.min(...known.map(({ min }) => min)),
      max: Math.max(...known.map(({ max }) => max)),
      known_ms: isBoolean ? total('weight') : null,
      minute_count: cells.map((cell) => cell?.count ?? 0),
      minute_min: cells.map((cell) => cell?.min ?? null),
      minute_max: cells.map((cell) => cell?.max ?? null),
      minute_sum: cells.map((cell) => cell?.sum ?? null),
      minute_last: cells.map((cell) => cell?.last ?? null),
      minute_known_ms: isBoolean ? cells.map((cell) => cell?.weight ?? null) : null,
      ...{ change_ms: null, change_to: null, last_ms: null },
    },
  ]
}

function expectedStrings(inside: TagReading[], tag: string, hour: number) {
  const texts = inside.filter(({ value }) => typeof value === 'string').length
  if (texts === 0) return []
  const changes = expectedChanges(inside, 1000)
  return [
    {
      ...{ tag, hour, kind: 'string' as const, count: texts, last_ms: inside.at(-1)!.at - hour * HOUR_MS },
      change_ms: changes.map(([at]) => at - hour * HOUR_MS),
      change_to: changes.map(([, value]) => value),
    },
  ]
}
