/** Beyond these, digits in a row say less than a power of ten. */
const SCIENTIFIC_FROM = 1e9
const SCIENTIFIC_BELOW = 1e-4
const COMPACT_FROM = 1e6
const MOST_DECIMALS = 4
/** More are right only for a value that stays near zero. */
const SETTLED_DECIMALS = 2
const MOST_TICK_DECIMALS = 6

/**
 * Decimals that show three significant digits of this value: 2.16, 71.2, 410. Undefined for a whole number, which does
 * not tell whether its tag has fractions. More than are ever shown, for one that only a power of ten can show.
 */
export function decimalsFor(value: number): number | undefined {
  if (Number.isInteger(value)) return undefined
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return Math.abs(value) < SCIENTIFIC_BELOW ? decimals : Math.min(MOST_DECIMALS, decimals)
}

/**
 * Decimals of a tag after one more value. They are chosen once, so that digits do not dance; only what was chosen while
 * the value was near zero (a pump that stood still) is cut back as soon as it leaves it: to two from 1 on.
 */
export function settleDecimals(chosen: number | undefined, value: number): number | undefined {
  if (chosen === undefined) return decimalsFor(value)
  if (Math.abs(value) >= 1) return Math.min(chosen, SETTLED_DECIMALS)
  return Math.abs(value) >= SCIENTIFIC_BELOW ? Math.min(chosen, MOST_DECIMALS) : chosen
}

const formats = new Map<string, Intl.NumberFormat>()

function formatFor(locale: string, decimals: number, notation: 'standard' | 'scientific'): Intl.NumberFormat {
  const key = `${locale} ${decimals} ${notation}`
  let format = formats.get(key)
  if (!format) {
    format = new Intl.NumberFormat(locale, {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
      notation,
      // Also negative zero, and what rounds to it, has no sign.
      signDisplay: 'negative',
    })
    formats.set(key, format)
  }
  return format
}

export function formatNumber(value: number, locale: string, decimals = 0): string {
  const size = Math.abs(value)
  if (size >= SCIENTIFIC_FROM) return formatFor(locale, 3, 'scientific').format(value)
  if (decimals > MOST_DECIMALS && size > 0 && size < SCIENTIFIC_BELOW) {
    return formatFor(locale, 2, 'scientific').format(value)
  }
  const shown = Math.min(decimals, MOST_DECIMALS)
  // Of a zero, more would only look exact.
  const isZero = size < 0.5 * 10 ** -shown
  return formatFor(locale, isZero ? Math.min(shown, SETTLED_DECIMALS) : shown, 'standard').format(value)
}

/** A number that a person wrote, such as a limit: with the decimals that it has, and no zeros behind them. */
export function formatWritten(value: number, locale: string): string {
  if (Math.abs(value) >= SCIENTIFIC_FROM) return formatNumber(value, locale, undefined)
  return new Intl.NumberFormat(locale, { maximumFractionDigits: 10, signDisplay: 'negative' }).format(value)
}

/** Figure on an axis whose figures are `step` apart: as many decimals as it takes to tell them apart, and no more. */
export function formatTickNumber(value: number, step: number, locale: string): string {
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9))
  if (decimals > MOST_TICK_DECIMALS) return value === 0 ? '0' : formatFor(locale, 2, 'scientific').format(value)
  if (Math.abs(value) >= COMPACT_FROM && Math.abs(value) < SCIENTIFIC_FROM) {
    return new Intl.NumberFormat(locale, { notation: 'compact', maximumFractionDigits: 2 }).format(value)
  }
  return Math.abs(value) >= SCIENTIFIC_FROM
    ? formatNumber(value, locale)
    : formatFor(locale, decimals, 'standard').format(value)
}
