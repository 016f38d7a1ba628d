/** Ranges that end now, in the order in which they are offered. `8h` is a shift. */
export const RANGES = [
  { name: '10min', ms: 600_000 },
  { name: '1h', ms: 3_600_000 },
  { name: '8h', ms: 8 * 3_600_000 },
  { name: '24h', ms: 86_400_000 },
  { name: '7d', ms: 7 * 86_400_000 },
  { name: '30d', ms: 30 * 86_400_000 },
] as const
export type RangeName = (typeof RANGES)[number]['name']

/** What a chart shows: the last `lengthMs` up to now, or a time that stands still. */
export type ChartRange =
  | { readonly live: true; readonly name: RangeName; readonly lengthMs: number }
  | { readonly live: false; readonly from: number; readonly to: number }

/** Epoch ms. */
export interface Span {
  readonly from: number
  readonly to: number
}

const SHORTEST_MS = 10_000
/** The API keeps rollups for two years. */
const LONGEST_MS = 730 * 86_400_000

type Query = Readonly<Record<string, unknown>>

/** The range that an address asks for; the last hour where it says none, or nonsense. */
export function rangeOf(query: Query): ChartRange {
  const [from, to] = [Number(query['from']), Number(query['to'])]
  if (query['from'] && query['to'] && from > 0 && to - from >= 1 && to - from <= LONGEST_MS) {
    return { live: false, from, to }
  }
  return untilNow(RANGES.find(({ name }) => name === query['range'])?.name ?? '1h')
}

export function untilNow(name: RangeName): ChartRange {
  return { live: true, name, lengthMs: RANGES.find((each) => each.name === name)!.ms }
}

export function rangeQuery(range: ChartRange): { range?: string; from?: string; to?: string } {
  if (range.live) return range.name === '1h' ? {} : { range: range.name }
  return { from: String(range.from), to: String(range.to) }
}

export function spanOf(range: ChartRange, now: number): Span {
  return range.live ? { from: now - range.lengthMs, to: now } : { from: range.from, to: range.to }
}

/** Never shorter than 10 s, longer than what is kept, or in the future. */
export function within(span: Span, now: number): ChartRange {
  const length = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, span.to - span.from))
  const middle = (span.from + span.to) / 2
  const to = Math.min(now, middle + length / 2)
  return { live: false, from: Math.round(to - length), to: Math.round(to) }
}

/** `factor` above 1 shows more time; `at` (0 to 1) stays where it is. */
export function zoomed({ from, to }: Span, factor: number, at = 0.5): Span {
  const fixed = from + (to - from) * at
  return { from: fixed - (fixed - from) * factor, to: fixed + (to - fixed) * factor }
}

/** By a part of its length, negative towards the past. */
export function panned({ from, to }: Span, part: number): Span {
  const by = (to - from) * part
  return { from: from + by, to: to + by }
}
