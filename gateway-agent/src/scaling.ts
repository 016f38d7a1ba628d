import type { DataValue } from './drivers/driver.ts'

/** Digits that a double surely holds: what lies behind them is the rounding of value * scale + offset (0.7000000000000001). */
const SIGNIFICANT_DIGITS = 12

/** The value in the tag's unit: raw * scale + offset, for numbers. */
export function scaled({ scale, offset }: { scale: number; offset: number }, raw: DataValue): DataValue {
  if (typeof raw.value !== 'number' || (scale === 1 && offset === 0)) return raw
  const value = Number((raw.value * scale + offset).toPrecision(SIGNIFICANT_DIGITS))
  if (Number.isFinite(value)) return { ...raw, value }
  return { value: null, quality: 'bad', fault: `${raw.value} * ${scale} + ${offset} is no finite number` }
}
