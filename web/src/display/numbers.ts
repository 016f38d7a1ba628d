/** Beyond these, digits in a row say less than a power of ten. */
const SCIENTIFIC_FROM = 1e9
const MOST_DECIMALS = 4

/**
 * Decimals that show three significant digits of this value: 2.16, 71.2, 410. Undefined for a whole number, which does
 * not tell whether its tag has fractions.
 */
export function decimalsFor(value: number): number | undefined {
  if (Number.isInteger(value)) return undefined
  return Math.min(MOST_DECIMALS, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))))
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
