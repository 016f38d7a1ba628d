import { SourceError, type ByteOrder, type TagSource } from './driver.ts'

export const MODBUS_TABLES = ['coil', 'discrete', 'input', 'holding'] as const
export type ModbusTable = (typeof MODBUS_TABLES)[number]

/** Registers (16 bit) that a value of each type takes; a string's number follows from its length. */
const REGISTERS = {
  bool: 1,
  int16: 1,
  uint16: 1,
  int32: 2,
  uint32: 2,
  float32: 2,
  int64: 4,
  uint64: 4,
  float64: 4,
} as const
export const MODBUS_TYPES = [...(Object.keys(REGISTERS) as (keyof typeof REGISTERS)[]), 'string'] as const
export type ModbusType = (typeof MODBUS_TYPES)[number]

/** Highest offset on the wire (Modbus application protocol 1.1b3, section 6). */
const LAST_OFFSET = 65_535
/** One request carries at most 125 registers, so a string must fit in them. */
const MAX_STRING_BYTES = 250

export interface ModbusTag {
  table: ModbusTable
  /** From 0, as on the wire. */
  offset: number
  /** Registers, or 1 for a coil or a discrete input. */
  length: number
  type: ModbusType
  order: ByteOrder
  /** Bit of a register, 0 is the least significant. */
  bit?: number
  /** Bytes of a string: an odd number leaves half a register unused. */
  bytes: number
}

export const isBitTable = (table: ModbusTable) => table === 'coil' || table === 'discrete'

/** Throws SourceError, which names the key that is wrong and what is allowed. */
export function parseModbusTag(source: TagSource): ModbusTag {
  const match = /^([a-z]+):(\d{1,5})(?:\.(\d{1,2}))?$/.exec(source.address)
  const table = MODBUS_TABLES.find((name) => name === match?.[1])
  const offset = Number(match?.[2])
  if (!table || offset > LAST_OFFSET) {
    throw new SourceError(
      'address',
      `"${source.address}" is not a Modbus address; allowed: coil, discrete, input or holding, ":" and an offset ` +
        `from 0 to ${LAST_OFFSET} as on the wire, with ".0" to ".15" for a bit of a register (holding:100, input:7, coil:3, holding:12.4)`,
    )
  }
  const bit = match?.[3] === undefined ? undefined : Number(match[3])
  const type = typeOf(source, table, bit)
  if (type !== 'string' && source.length !== undefined) {
    throw new SourceError('length', `belongs to type string, not to ${type}`)
  }
  if (source.order !== undefined && (isBitTable(table) || type === 'bool')) {
    throw new SourceError('order', 'means nothing for a single bit; remove it')
  }
  if (type === 'string' && (source.length === undefined || source.length > MAX_STRING_BYTES)) {
    throw new SourceError('length', `must be the number of bytes of the string, 1 to ${MAX_STRING_BYTES}`)
  }
  const bytes = source.length ?? 0
  const length = isBitTable(table) ? 1 : type === 'string' ? Math.ceil(bytes / 2) : REGISTERS[type]
  if (offset + length - 1 > LAST_OFFSET) {
    throw new SourceError('address', `"${source.address}" with type ${type} reaches beyond offset ${LAST_OFFSET}`)
  }
  return { table, offset, length, type, order: source.order ?? 'ABCD', bytes, ...(bit === undefined ? {} : { bit }) }
}

function typeOf(source: TagSource, table: ModbusTable, bit: number | undefined): ModbusType {
  const type = MODBUS_TYPES.find((name) => name === source.type)
  if (source.type !== undefined && !type) {
    throw new SourceError('type', `"${source.type}" is not a Modbus type; allowed: ${MODBUS_TYPES.join(', ')}`)
  }
  const isBit = isBitTable(table) || bit !== undefined
  if (bit !== undefined && (isBitTable(table) || bit > 15)) {
    throw new SourceError('address', `"${source.address}": only a register has bits, from .0 to .15`)
  }
  if (isBit && type && type !== 'bool') {
    throw new SourceError('type', `is ${type}, but "${source.address}" is a single bit; remove it or write bool`)
  }
  return isBit ? 'bool' : (type ?? 'uint16')
}
