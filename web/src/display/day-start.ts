/** Epoch ms at which a day ("2026-01-31") begins in a time zone, where it may begin an hour late (summer time at midnight). */
export const dayStart = (day: string, timeZone: string): number => momentOf(`${day}T00:00`, timeZone)

/** Epoch ms of what clocks in a time zone show ("2026-01-31T10:30"); NaN for what is no time. */
export function momentOf(local: string, timeZone: string): number {
  const utc = Date.parse(`${local}Z`)
  if (Number.isNaN(utc)) return NaN
  // The offset of a moment near it is its own, but where the clocks change between the two.
  const guess = utc - offsetAt(utc, timeZone)
  return utc - offsetAt(guess, timeZone)
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
