import { bad, good, real, shortestFloat32, text } from './data-value.ts'
import type { DataValue } from './driver.ts'
import type { S7Tag } from './s7-tag.ts'

/** What `bytes`, as the PLC holds them, mean for `tag`; the most significant comes first. */
export function decodeS7({ type, bit }: S7Tag, bytes: Buffer): DataValue {
  switch (type) {
    case 'BOOL':
      return good(((bytes[0]! >> bit) & 1) === 1)
    case 'BYTE':
      return good(bytes[0]!)
    case 'WORD':
      return good(bytes.readUInt16BE())
    case 'INT':
      return good(bytes.readInt16BE())
    case 'DWORD':
      return good(bytes.readUInt32BE())
    case 'DINT':
      return good(bytes.readInt32BE())
    case 'REAL':
      return real(shortestFloat32(bytes.readFloatBE()))
    case 'LREAL':
      return real(bytes.readDoubleBE())
    case 'STRING':
      return decodeString(bytes)
    case 'DATE_AND_TIME':
      return decodeDateAndTime(bytes)
  }
}

/** Longest length, present length, characters. */
function decodeString(bytes: Buffer): DataValue {
  const [longest, present] = [bytes[0]!, bytes[1]!]
  if (present > longest || present > bytes.length - 2) {
    return bad(`no string of this length stands here: it says to hold ${present} of at most ${longest} characters`)
  }
  return text(bytes.toString('latin1', 2, 2 + present))
}

/**
 * Eight bytes of BCD: year, month, day, hour, minute, second, then milliseconds in three digits and the day of the week.
 * Years from 90 on are of the last century. The PLC's clock knows no time zone, so the text has none.
 */
function decodeDateAndTime(bytes: Buffer): DataValue {
  const digits = bytes.toString('hex')
  const [year, month, day, hour, minute, second] = digits.match(/../g)!
  const local = `${Number(year) >= 90 ? '19' : '20'}${year}-${month!}-${day!}T${hour!}:${minute!}:${second!}.${digits.slice(12, 15)}`
  const date = /^[\d\-T:.]+$/.test(local) ? new Date(`${local}Z`) : new Date(Number.NaN)
  // A day like 31 February is another one for Date.
  const isDate = !Number.isNaN(date.getTime()) && date.toISOString() === `${local}Z`
  return isDate ? good(local) : bad(`the device says no date (${digits})`)
}
