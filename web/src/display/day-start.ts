/** Epoch ms at which a day ("2026-01-31") begins in a time zone, where it may begin an hour late (summer time at midnight). */
export const dayStart = (day: string, timeZone: string): number => momentOf(`${day}T00:00`, timeZone)

const DAY_MS = 86_400_000

/** From the beginning of one day to the end of another; empty where one of them is no day. */
export function daySpan(first: string, last: string, timeZone: string): { from: number; to: number } {
  const afterLast = Date.parse(last) + DAY_MS
  const from = dayStart(first, timeZone)
  if (Number.isNaN(from) || Number.isNaN(afterLast)) return { from: 0, to: 0 }
  return { from, to: dayStart(new Date(afterLast).toISOString().slice(0, 10), timeZone) }
}

/** Epoch ms of what clocks in a time zone show ("2026-01-31T10:30"); NaN for what is no time. */
export function momentOf(local: string, timeZone: string): number {
  const utc = Date.parse(`${local}Z`)
  if (Number.isNaN(utc)) return NaN
  // The offset of a moment near it is its own, but where the clocks change between the two.
  const guess = utc - offsetAt(utc, timeZone)
  const moment = utc - offsetAt(guess, timeZone)
  const isLeftOut = moment + offsetAt(moment, timeZone) !== utc
  return isLeftOut ? Math.max(guess, moment) : moment
}

/** What clocks in a time zone show at a moment, as a field of times has it. */
export const localTimeOf = (at: number, timeZone: string): string =>
  new Date(at + offsetAt(at - (at % 1000), timeZone)).toISOString().slice(0, 16)

/** The day of a moment, as a field of dates has it. */
export const dayOf = (at: number, timeZone: string): string =>
  new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(at)

function offsetAt(at: number, timeZone: string): number {
  const { year, month, day, hour, minute, second } = Object.fromEntries(
    new Intl.DateTimeFormat('en', {
      ...{ timeZone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric' },
      ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
    })
      .formatToParts(at)
      .map(({ type, value }) => [type, Number(value)]),
  ) as Record<'year' | 'month' | 'day' | 'hour' | 'minute' | 'second', number>
  return Date.UTC(year, month - 1, day, hour, minute, second) - at
}
