/** Beyond these, digits in a row say less than a power of ten. */
const SCIENTIFIC_FROM = 1e9
const COMPACT_FROM = 1e6
const MOST_DECIMALS = 4
/** More are right only for a value that stays near zero. */
const SETTLED_DECIMALS = 2

/**
 * Decimals that show three significant digits of this value: 2.16, 71.2, 410. Undefined for a whole number, which does
 * not tell whether its tag has fractions.
 */
export function decimalsFor(value: number): number | undefined {
  if (Number.isInteger(value)) return undefined
  return Math.min(MOST_DECIMALS, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))))
}

/**
 * Decimals of a tag after one more value. They are chosen once, so that digits do not dance; only what was chosen while
 * the value was near zero (a pump that stood still) is cut back to two as soon as it leaves it.
 */
export function settleDecimals(chosen: number | undefined, value: number): number | undefined {
  if (chosen === undefined) return decimalsFor(value)
  return Math.abs(value) >= 1 ? Math.min(chosen, SETTLED_DECIMALS) : chosen
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

export function formatNumber(value: number, locale: string, decimals: number | undefined): string {
  const size = Math.abs(value)
  if (size >= SCIENTIFIC_FROM) return formatFor(locale, 3, 'scientific').format(value)
  return formatFor(locale, decimals ?? 0, 'standard').format(value)
}

/** A number that a person wrote, such as a limit: with the decimals that it has, and no zeros behind them. */
export function formatWritten(value: number, locale: string): string {
  if (Math.abs(value) >= SCIENTIFIC_FROM) return formatNumber(value, locale, undefined)
  return new Intl.NumberFormat(locale, { maximumFractionDigits: 10, signDisplay: 'negative' }).format(value)
}

/** Figure on an axis whose figures are `step` apart: as many decimals as it takes to tell them apart, and no more. */
export function formatTickNumber(value: number, step: number, locale: string): string {
  const decimals = Math.min(6, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)))
  if (Math.abs(value) >= COMPACT_FROM && Math.abs(value) < SCIENTIFIC_FROM) {
    return new Intl.NumberFormat(locale, { notation: 'compact', maximumFractionDigits: 2 }).format(value)
  }
  return formatNumber(value, locale, decimals)
}
