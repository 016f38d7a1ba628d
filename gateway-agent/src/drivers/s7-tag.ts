import { choiceOf } from '../did-you-mean.ts'
import { SourceError, type TagSource } from './driver.ts'

/** Codes of the areas in a request. */
export const S7_AREAS = { DB: 0x84, M: 0x83, I: 0x81, Q: 0x82 } as const
export type S7Area = keyof typeof S7_AREAS
/** German programs say E and A. */
const AREA_OF: Record<string, S7Area> = { M: 'M', I: 'I', E: 'I', Q: 'Q', A: 'Q' }

/** Types by the letter of the address, the first of each when none is given, and their bytes. */
const TYPES = {
  X: { BOOL: 1 },
  B: { BYTE: 1, STRING: 0, LREAL: 8, DATE_AND_TIME: 8 },
  W: { WORD: 2, INT: 2 },
  D: { DWORD: 4, DINT: 4, REAL: 4 },
} as const
type Width = keyof typeof TYPES
export type S7Type = { [W in Width]: keyof (typeof TYPES)[W] }[Width]

/** A STRING's bytes begin with its longest and its present length. */
const STRING_HEAD = 2
const MAX_STRING = 254
const LAST_BYTE = 65_535

export interface S7Tag {
  area: S7Area
  /** Number of the data block, 0 in the other areas. */
  db: number
  /** First byte. */
  start: number
  bytes: number
  bit: number
  type: S7Type
}

/** Throws SourceError, which names the key that is wrong and what is allowed. */
export function parseS7Tag({ address, type: wanted, order, length }: TagSource): S7Tag {
  const match =
    /^DB(?<db>\d{1,5})\.DB(?<width>[XBWD])(?<start>\d{1,5})(?:\.(?<bit>[0-7]))?$/.exec(address) ??
    /^(?<area>[MIEQA])(?<width>[BWD]?)(?<start>\d{1,5})(?:\.(?<bit>[0-7]))?$/.exec(address)
  const { db = '0', area = '', width: letter = '', start = '', bit } = match?.groups ?? {}
  const width = (letter || 'X') as Width
  if (!match || (width === 'X') !== (bit !== undefined) || Number(db) > LAST_BYTE || Number(start) > LAST_BYTE) {
    throw new SourceError(
      'address',
      `"${address}" is not an S7 address; allowed: DB1.DBX0.0, DB1.DBB0, DB1.DBW0, DB1.DBD0, the same for M, I and Q ` +
        `(M0.0, MB0, MW0, MD0), numbers from 0 to ${LAST_BYTE}, bits from 0 to 7`,
    )
  }
  const types = TYPES[width] as Partial<Record<S7Type, number>>
  const names = Object.keys(types) as S7Type[]
  const type = wanted === undefined ? names[0]! : names.find((name) => name === wanted.toUpperCase())
  if (!type) throw new SourceError('type', `"${wanted!}" is no type of "${address}"; ${choiceOf(wanted!, names)}`)
  if (order !== undefined) throw new SourceError('order', 'means nothing for an S7 PLC; remove it')
  if (type === 'STRING' && (length === undefined || length > MAX_STRING)) {
    throw new SourceError('length', `must be the length that the string is declared with, 1 to ${MAX_STRING}`)
  }
  if (type !== 'STRING' && length !== undefined) {
    throw new SourceError('length', `belongs to type STRING, not to ${type}`)
  }
  const bytes = type === 'STRING' ? STRING_HEAD + length! : types[type]!
  return { area: AREA_OF[area] ?? 'DB', db: Number(db), start: Number(start), bytes, bit: Number(bit ?? 0), type }
}
