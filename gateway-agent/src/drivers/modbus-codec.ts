import { good, real, shortestFloat32, text, wide } from './data-value.ts'
import type { ByteOrder, DataValue } from './driver.ts'
import type { ModbusTag } from './modbus-tag.ts'

/** What the registers of `tag` hold, given its bytes as received. */
export function decodeRegisters(tag: ModbusTag, received: Buffer): DataValue {
  if (tag.type === 'string') return text(decodeText(ordered(received, tag.order).subarray(0, tag.bytes)))
  const bytes = ordered(received, tag.order)
  switch (tag.type) {
    case 'bool':
      return good(tag.bit === undefined ? bytes.readUInt16BE() !== 0 : ((bytes.readUInt16BE() >> tag.bit) & 1) === 1)
    case 'int16':
      return good(bytes.readInt16BE())
    case 'uint16':
      return good(bytes.readUInt16BE())
    case 'int32':
      return good(bytes.readInt32BE())
    case 'uint32':
      return good(bytes.readUInt32BE())
    case 'int64':
      return wide(bytes.readBigInt64BE())
    case 'uint64':
      return wide(bytes.readBigUInt64BE())
    case 'float32':
      return real(shortestFloat32(bytes.readFloatBE()))
    case 'float64':
      return real(bytes.readDoubleBE())
  }
}

/** The same bytes with the most significant first. */
export function ordered(bytes: Buffer, order: ByteOrder): Buffer {
  if (order === 'ABCD') return bytes
  const result = Buffer.from(bytes)
  if (order === 'DCBA') return result.reverse()
  if (order === 'BADC') return result.swap16()
  // CDAB: the words change places, the bytes inside them stay. Reversing all bytes, then those of each word, does that.
  return result.reverse().swap16()
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Text up to the first NUL; Latin-1 where it is not UTF-8. */
function decodeText(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  const used = end === -1 ? bytes : bytes.subarray(0, end)
  try {
    return utf8.decode(used)
  } catch {
    return used.toString('latin1')
  }
}
