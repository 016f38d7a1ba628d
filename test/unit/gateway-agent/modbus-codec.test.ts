import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BYTE_ORDERS, type ByteOrder } from '../../../gateway-agent/src/drivers/driver.ts'
import { shortestFloat32 } from '../../../gateway-agent/src/drivers/data-value.ts'
import { decodeRegisters } from '../../../gateway-agent/src/drivers/modbus-codec.ts'
import { parseModbusTag, type ModbusType } from '../../../gateway-agent/src/drivers/modbus-tag.ts'

const decode = (type: ModbusType, bytes: Buffer, order: ByteOrder = 'ABCD', length?: number) =>
  decodeRegisters(parseModbusTag({ name: 't', address: 'holding:0', type, order, length }), bytes)

/** Places of the big-endian bytes as sent, written out by hand for each order. */
const SENT: Record<2 | 4 | 8, Record<ByteOrder, number[]>> = {
  2: { ABCD: [0, 1], CDAB: [0, 1], BADC: [1, 0], DCBA: [1, 0] },
  4: { ABCD: [0, 1, 2, 3], CDAB: [2, 3, 0, 1], BADC: [1, 0, 3, 2], DCBA: [3, 2, 1, 0] },
  8: {
    ABCD: [0, 1, 2, 3, 4, 5, 6, 7],
    CDAB: [6, 7, 4, 5, 2, 3, 0, 1],
    BADC: [1, 0, 3, 2, 5, 4, 7, 6],
    DCBA: [7, 6, 5, 4, 3, 2, 1, 0],
  },
}
const send = (bigEndian: Buffer, order: ByteOrder) =>
  Buffer.from(SENT[bigEndian.length as 2 | 4 | 8][order].map((place) => bigEndian[place]!))

const bytes = (size: number, write: (view: DataView) => void) => {
  const buffer = Buffer.alloc(size)
  write(new DataView(buffer.buffer, buffer.byteOffset, size))
  return buffer
}

const integer = (min: bigint, max: bigint) => fc.bigInt({ min, max })
const TYPES: { type: ModbusType; values: fc.Arbitrary<number | bigint>; encode: (value: number | bigint) => Buffer }[] =
  [
    {
      type: 'int16',
      values: integer(-(2n ** 15n), 2n ** 15n - 1n),
      encode: (v) => bytes(2, (d) => d.setInt16(0, Number(v))),
    },
    { type: 'uint16', values: integer(0n, 2n ** 16n - 1n), encode: (v) => bytes(2, (d) => d.setUint16(0, Number(v))) },
    {
      type: 'int32',
      values: integer(-(2n ** 31n), 2n ** 31n - 1n),
      encode: (v) => bytes(4, (d) => d.setInt32(0, Number(v))),
    },
    { type: 'uint32', values: integer(0n, 2n ** 32n - 1n), encode: (v) => bytes(4, (d) => d.setUint32(0, Number(v))) },
    {
      type: 'int64',
      values: integer(-(2n ** 53n) + 1n, 2n ** 53n - 1n),
      encode: (v) => bytes(8, (d) => d.setBigInt64(0, BigInt(v))),
    },
    {
      type: 'uint64',
      values: integer(0n, 2n ** 53n - 1n),
      encode: (v) => bytes(8, (d) => d.setBigUint64(0, BigInt(v))),
    },
    {
      type: 'float32',
      values: fc.float({ noNaN: true, noDefaultInfinity: true }),
      encode: (v) => bytes(4, (d) => d.setFloat32(0, Number(v))),
    },
    {
      type: 'float64',
      values: fc.double({ noNaN: true, noDefaultInfinity: true }),
      encode: (v) => bytes(8, (d) => d.setFloat64(0, Number(v))),
    },
  ]

describe('registers to values', () => {
  it.each(TYPES)('$type in every byte order', ({ type, values, encode }) => {
    fc.assert(
      fc.property(values, fc.constantFrom(...BYTE_ORDERS), (value, order) => {
        const read = decode(type, send(encode(value), order), order)
        expect(read.quality).toBe('good')
        const number = read.value as number
        expect((type === 'float32' ? Math.fround(number) : number) === Number(value)).toBe(true)
      }),
    )
  })

  it('64 bit beyond what a JSON number holds is the nearest one, and uncertain', () => {
    const largest = Buffer.alloc(8, 0xff)
    expect(decode('uint64', largest)).toEqual({ value: 2 ** 64, quality: 'uncertain' })
    expect(decode('int64', largest)).toEqual({ value: -1, quality: 'good' })
    expect(decode('int64', Buffer.from('8000000000000000', 'hex'))).toEqual({ value: -(2 ** 63), quality: 'uncertain' })
  })

  it('NaN and infinity are no values', () => {
    expect(decode('float32', Buffer.from('7fc00000', 'hex'))).toMatchObject({
      value: null,
      quality: 'bad',
      fault: 'the device says NaN',
    })
    expect(decode('float64', Buffer.from('fff0000000000000', 'hex'))).toMatchObject({ value: null, quality: 'bad' })
  })

  it('float32 is written as short as it was meant', () => {
    expect(shortestFloat32(Math.fround(71.2))).toBe(71.2)
    fc.assert(
      fc.property(
        fc.float({ noNaN: true }),
        (value) => Math.fround(shortestFloat32(value)) === value || Object.is(value, -0),
      ),
    )
  })

  it('every bit of a register, and a register as a bit', () => {
    for (let bit = 0; bit < 16; bit += 1) {
      const tag = parseModbusTag({ name: 't', address: `holding:12.${bit}` })
      expect(
        decodeRegisters(
          tag,
          bytes(2, (d) => d.setUint16(0, 1 << bit)),
        ),
      ).toEqual({ value: true, quality: 'good' })
      expect(
        decodeRegisters(
          tag,
          bytes(2, (d) => d.setUint16(0, ~(1 << bit) & 0xffff)),
        ),
      ).toEqual({ value: false, quality: 'good' })
    }
    expect(
      decodeRegisters(parseModbusTag({ name: 't', address: 'holding:1', type: 'bool' }), Buffer.from([1, 0])).value,
    ).toBe(true)
  })

  it('strings end at NUL, lose their padding, and may be swapped, odd or Latin-1', () => {
    expect(decode('string', Buffer.from('RUN\0garbage!'), 'ABCD', 12).value).toBe('RUN')
    expect(decode('string', Buffer.from('Bomba 1   '), 'ABCD', 10).value).toBe('Bomba 1')
    expect(decode('string', Buffer.from('URN!'), 'BADC', 3).value).toBe('RU!')
    expect(decode('string', Buffer.from('AB'), 'ABCD', 1).value).toBe('A')
    expect(decode('string', Buffer.from('año', 'utf8'), 'ABCD', 4).value).toBe('año')
    expect(decode('string', Buffer.from('año', 'latin1'), 'ABCD', 3).value).toBe('año')
  })
})

describe('addresses', () => {
  it.each([
    ['coil:0', { table: 'coil', offset: 0, type: 'bool', length: 1 }],
    ['discrete:65535', { table: 'discrete', offset: 65535, type: 'bool' }],
    ['input:7', { table: 'input', offset: 7, type: 'uint16', length: 1 }],
    ['holding:12.4', { table: 'holding', offset: 12, bit: 4, type: 'bool' }],
  ])('%s', (address, expected) => {
    expect(parseModbusTag({ name: 't', address })).toMatchObject(expected)
  })

  it.each([
    [{ address: 'holding:65536' }, 'address'],
    [{ address: 'holding:65535', type: 'float32' }, 'address'],
    [{ address: '40001' }, 'address'],
    [{ address: 'holding:1.16' }, 'address'],
    [{ address: 'coil:1.1' }, 'address'],
    [{ address: 'coil:1', type: 'int16' }, 'type'],
    [{ address: 'holding:1.1', type: 'uint16' }, 'type'],
    [{ address: 'holding:1', type: 'string' }, 'length'],
    [{ address: 'holding:1', length: 4 }, 'length'],
    [{ address: 'coil:1', order: 'DCBA' as const }, 'order'],
  ])('%j is refused', (source, key) => {
    expect(() => parseModbusTag({ name: 't', ...source })).toThrow(expect.objectContaining({ key }) as Error)
  })
})
