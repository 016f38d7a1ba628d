import type { DataValue } from './drivers/driver.ts'

/** Digits that a double surely holds: what lies behind them is the rounding of value * scale + offset (0.7000000000000001). */
const SIGNIFICANT_DIGITS = 12
/** From here on they would not reach the point: a counter of 64 bit would lose its last digits. */
const LARGE = 1e11
const MOST_DIGITS = 15

export interface Scaling {
  scale: number
  offset: number
  clamp?: [number, number] | undefined
}

/** The value in the tag's unit, for numbers: raw * scale + offset. One beyond the clamp is told as its limit, and as uncertain. */
export function scaled(tag: Scaling, raw: DataValue): DataValue {
  if (typeof raw.value !== 'number') return raw
  const inUnit = multiplied(tag, raw, raw.value)
  return tag.clamp ? clamped(tag.clamp, inUnit) : inUnit
}

function multiplied({ scale, offset }: Scaling, raw: DataValue, number: number): DataValue {
  if (scale === 1 && offset === 0) return raw
  const exact = number * scale + offset
  const value = Number(exact.toPrecision(Math.abs(exact) < LARGE ? SIGNIFICANT_DIGITS : MOST_DIGITS))
  if (Number.isFinite(value)) return { ...raw, value }
  return { value: null, quality: 'bad', fault: `${number} * ${scale} + ${offset} is no finite number` }
}

function clamped([lowest, highest]: [number, number], read: DataValue): DataValue {
  if (typeof read.value !== 'number' || (read.value >= lowest && read.value <= highest)) return read
  const value = Math.min(highest, Math.max(lowest, read.value))
  return { value, quality: 'uncertain', fault: `${read.value} is beyond ${lowest} to ${highest}, and told as ${value}` }
}
