import type { DataValue } from './driver.ts'

/** Text that telemetry may carry (schemas/telemetry.ts). */
const MAX_TEXT = 256

export const good = (value: DataValue['value']): DataValue => ({ value, quality: 'good' })

export const bad = (fault: string): DataValue => ({ value: null, quality: 'bad', fault })

/** JSON has no NaN and no infinity, and a sensor that sends one says that it has no value. */
export const real = (value: number): DataValue =>
  Number.isFinite(value) ? good(value) : bad(`the device says ${value}`)

/** JSON numbers are doubles: beyond 2^53 the nearest one is sent, and is called uncertain because it may differ. */
export const wide = (value: bigint): DataValue => {
  const nearest = Number(value)
  return Number.isSafeInteger(nearest) ? good(nearest) : { value: nearest, quality: 'uncertain' }
}

/** Text without the blanks that PLCs pad with. */
export const text = (value: string): DataValue => {
  const trimmed = value.trimEnd()
  if (trimmed.length > MAX_TEXT) return bad(`a text of ${trimmed.length} characters; at most ${MAX_TEXT} can be sent`)
  return trimmed.includes('\0') || !trimmed.isWellFormed() ? bad('the text holds what is no character') : good(trimmed)
}

/** The shortest decimal that is the same float32: 71.2 instead of 71.19999694824219. */
export function shortestFloat32(value: number): number {
  if (!Number.isFinite(value)) return value
  for (let digits = 6; digits < 9; digits += 1) {
    const candidate = Number(value.toPrecision(digits))
    if (Math.fround(candidate) === value) return candidate
  }
  return value
}
