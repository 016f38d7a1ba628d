import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Device } from '../../../gateway-agent/src/drivers/device.ts'
import type { Driver, TagSource } from '../../../gateway-agent/src/drivers/driver.ts'
import { createS7 } from '../../../gateway-agent/src/drivers/s7.ts'
import { parseS7Tag } from '../../../gateway-agent/src/drivers/s7-tag.ts'
import { startS7Plc, type S7Plc } from '../../helpers/s7-plc.ts'
import { startTamperedLine, type TamperedLine } from '../../helpers/tampered-line.ts'
import { readWhenBack } from './read-when-back.ts'
import { silentLog } from './silent-log.ts'

const TIMEOUT_MS = 300
const source = (address: string, type?: string, length?: number): TagSource => ({
  name: address,
  address,
  type,
  length,
})

let plc: S7Plc
let line: TamperedLine
let driver: Driver
const open = (port = line.port) => createS7({ host: '127.0.0.1', port, rack: 0, slot: 2, timeoutMs: TIMEOUT_MS })
beforeEach(async () => {
  plc = await startS7Plc()
  line = await startTamperedLine(plc.port)
  driver = open()
})
afterEach(async () => {
  await driver.close()
  await line.stop()
  await plc.stop()
})

const values = async (...tags: TagSource[]) => (await driver.read(tags)).map(({ value }) => value)

describe('S7 against a server over real sockets', { timeout: 15_000 }, () => {
  it('reads every type at its limits', async () => {
    const db = Buffer.alloc(400)
    db[0] = 0b1000_0001
    db.writeUInt8(255, 1)
    db.writeInt16BE(-32768, 2)
    db.writeInt16BE(32767, 4)
    db.writeInt32BE(-2147483648, 6)
    db.writeUInt32BE(4294967295, 10)
    db.writeFloatBE(71.2, 14)
    db.writeFloatBE(-3.4028235e38, 18)
    db.writeDoubleBE(Number.MAX_VALUE, 22)
    db.write('2611240655351237', 30, 'hex')
    db.write('9012312359599994', 38, 'hex')
    db.set([20, 6], 46)
    db.write('a\xf1o \xb0C', 48, 'latin1')
    db.writeUInt16BE(65535, 70)
    plc.memory.set('DB10', db)
    await driver.connect()
    expect(
      await values(
        source('DB10.DBX0.0'),
        source('DB10.DBX0.1'),
        source('DB10.DBX0.7', 'bool'),
        source('DB10.DBB1'),
        source('DB10.DBW2', 'INT'),
        source('DB10.DBW4', 'INT'),
        source('DB10.DBD6', 'DINT'),
        source('DB10.DBD10'),
        source('DB10.DBD14', 'REAL'),
        source('DB10.DBD18', 'REAL'),
        source('DB10.DBB22', 'LREAL'),
        source('DB10.DBB30', 'DATE_AND_TIME'),
        source('DB10.DBB38', 'DATE_AND_TIME'),
        source('DB10.DBB46', 'STRING', 20),
        source('DB10.DBW70'),
      ),
    ).toEqual([
      true,
      false,
      true,
      255,
      -32768,
      32767,
      -2147483648,
      4294967295,
      71.2,
      -3.4028235e38,
      Number.MAX_VALUE,
      '2026-11-24T06:55:35.123',
      '1990-12-31T23:59:59.999',
      'año °C',
      65535,
    ])
    expect(plc.reads).toHaveLength(1)
    expect(plc.reads[0]!.items).toBe(1)
    expect(plc.tsap).toEqual([1, 2])
  })

  it('reads memory, inputs and outputs, by their English and German letters', async () => {
    for (const [index, area] of ['M', 'I', 'Q'].entries()) plc.memory.set(area, Buffer.alloc(10, index + 1))
    await driver.connect()
    expect(
      await values(
        source('M0.0'),
        source('MB1'),
        source('IW2'),
        source('E0.1'),
        source('QD4'),
        source('A9.0'),
        source('AB9'),
      ),
    ).toEqual([true, 1, 0x0202, true, 0x03030303, true, 3])
  })

  it('what is no value is bad, and says why', async () => {
    const db = Buffer.alloc(100)
    db.write('2602310655351237', 0, 'hex')
    db.write('ffffffffffffffff', 8, 'hex')
    db.set([4, 9], 16)
    db.writeFloatBE(NaN, 30)
    plc.memory.set('DB1', db)
    await driver.connect()
    const read = await driver.read([
      source('DB1.DBB0', 'DATE_AND_TIME'),
      source('DB1.DBB8', 'DATE_AND_TIME'),
      source('DB1.DBB16', 'STRING', 4),
      source('DB1.DBD30', 'REAL'),
    ])
    expect(read.map(({ quality, fault }) => `${quality}: ${fault}`)).toEqual([
      'bad: the device says no date (2602310655351237)',
      'bad: the device says no date (ffffffffffffffff)',
      'bad: no string of this length stands here: it says to hold 9 of at most 4 characters',
      'bad: the device says NaN',
    ])
  })

  it.each([112, 240, 480, 960])('fills PDUs of %i bytes, and never more, whatever the tags', async (pduBytes) => {
    plc.pduBytes = pduBytes
    const bytes = Buffer.from(Array.from({ length: 2000 }, (_, n) => (n * 7) % 251))
    for (const db of [1, 2]) plc.memory.set(`DB${db}`, bytes)
    await driver.connect()
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ db: fc.constantFrom(1, 2), start: fc.nat(1990), width: fc.constantFrom('B', 'W', 'D') }), {
          minLength: 1,
          maxLength: 80,
        }),
        async (tags) => {
          plc.reads = []
          const read = await values(...tags.map(({ db, start, width }) => source(`DB${db}.DB${width}${start}`)))
          expect(read).toEqual(tags.map(({ start, width }) => bytes.readUIntBE(start, { B: 1, W: 2, D: 4 }[width])))
          for (const { askedBytes, answerBytes } of plc.reads) {
            expect(askedBytes).toBeLessThanOrEqual(pduBytes)
            expect(answerBytes).toBeLessThanOrEqual(pduBytes)
          }
        },
      ),
      { numRuns: 30 },
    )
  })

  it('as many items as fit travel in one request', async () => {
    plc.memory.set('DB1', Buffer.alloc(2000, 1))
    await driver.connect()
    // 19 addresses of 12 bytes and the head make 240 bytes.
    expect(await values(...Array.from({ length: 20 }, (_, n) => source(`DB1.DBB${n * 50}`)))).toEqual(Array(20).fill(1))
    expect(plc.reads.map(({ items }) => items)).toEqual([19, 1])
  })

  it('a string longer than a PDU is put together', async () => {
    const text = 'x'.repeat(200) + 'y'.repeat(54)
    plc.memory.set('DB1', Buffer.concat([Buffer.from([254, 254]), Buffer.from(text)]))
    await driver.connect()
    expect(await values(source('DB1.DBB0', 'STRING', 254))).toEqual([text])
    expect(plc.reads).toHaveLength(2)
  })

  it('what the PLC refuses is bad for its tag only', async () => {
    plc.memory.set('DB1', Buffer.alloc(100, 5))
    plc.refused.set('DB1.4', 3)
    const tags = [
      source('DB1.DBB2'),
      source('DB1.DBB4'),
      source('DB1.DBB6'),
      source('DB1.DBB99'),
      source('DB1.DBB100'),
      source('DB7.DBB0'),
    ]
    await driver.connect()
    // The second time each is asked for by itself from the beginning.
    for (let time = 0; time < 2; time += 1) {
      expect((await driver.read(tags)).map(({ value, fault }) => fault ?? value)).toEqual([
        5,
        'the PLC refuses it: access is not allowed',
        5,
        5,
        'the PLC refuses it: beyond the end of the area or of the data block',
        'the PLC refuses it: it does not exist: no such data block, or an optimised one',
      ])
    }
  })

  it('a CPU that forbids PUT/GET is told so', async () => {
    await driver.connect()
    plc.error = [0x81, 4]
    await expect(driver.read([source('MB0')])).rejects.toThrow('permit PUT/GET in the protection settings')
  })
})

describe('answers of an S7 PLC that are not what they should be', { timeout: 15_000 }, () => {
  beforeEach(async () => {
    plc.memory.set('M', Buffer.from([1, 2, 3, 4]))
    await driver.connect()
  })

  it('cut in two, they are put together', async () => {
    line.tamper = (answer, pass) => {
      pass(answer.subarray(0, 3))
      setTimeout(() => pass(answer.subarray(3)), 20)
    }
    expect(await values(source('MB1'))).toEqual([2])
  })

  it.each<[string, string, (answer: Buffer) => Buffer]>([
    ['cut short', 'no answer', (answer) => answer.subarray(0, -1)],
    ['of another request', 'no answer', (answer) => (answer.writeUInt16BE(9999, 11), answer)],
    ['garbage', 'the device sent what is not S7 (485454502f312e31', () => Buffer.from('HTTP/1.1 400 Bad')],
    ['too short to be one', 'the device sent what is not S7', () => Buffer.from([3, 0, 0, 1, 0])],
    ['with another number of items', 'something else than was asked', (answer) => ((answer[20] = 2), answer)],
    ['with a wrong length', 'something else than was asked', (answer) => ((answer[24] = 99), answer)],
    [
      'without data',
      'something else than was asked',
      (answer) => {
        const cut = Buffer.from(answer.subarray(0, 21))
        cut.writeUInt16BE(21, 2)
        return cut
      },
    ],
  ])('%s', async (_, message, falsify) => {
    line.tamper = (answer, pass) => pass(falsify(Buffer.from(answer)))
    await expect(driver.read([source('MB1')])).rejects.toThrow(message)
    await driver.close()
    line.tamper = (answer, pass) => pass(answer)
    await driver.connect()
    expect(await values(source('MB1'))).toEqual([2])
  })

  it('too late, they are not taken for the answer to the next request', async () => {
    let first: Buffer | undefined
    line.tamper = (answer, pass) => {
      if (first) pass(Buffer.concat([first, answer]))
      else first = answer
    }
    await expect(driver.read([source('MB1')])).rejects.toThrow(`no answer within ${TIMEOUT_MS} ms`)
    expect(await values(source('MD0'))).toEqual([0x01020304])
  })

  it('a connection that is refused, and a read without one', async () => {
    await driver.close()
    await expect(driver.read([source('MB0')])).rejects.toThrow('not connected')
    line.tamper = (answer, pass) => {
      answer[5] = 0x80
      pass(answer)
    }
    await expect(driver.connect()).rejects.toThrow('the PLC refuses the connection: check rack and slot')
  })

  it('a server that dies is told, and used again when it is back', async () => {
    const links: boolean[] = []
    const direct = open(plc.port)
    const device = new Device({
      name: 'plc',
      driver: direct,
      log: silentLog(),
      onLinkChange: () => links.push(device.isUp),
    })
    const tags = [source('MB1')]
    expect(await device.read(tags)).toEqual([{ value: 2, quality: 'good' }])
    const { port, memory } = plc
    await plc.stop()
    await expect(device.read(tags)).rejects.toThrow('ECONNREFUSED')
    plc = await startS7Plc(port)
    plc.memory = memory
    expect(await readWhenBack(device, tags)).toEqual([{ value: 2, quality: 'good' }])
    await device.close()
    expect(links).toEqual([true, false, true])
  })
})

describe('S7 addresses', () => {
  it.each([
    ['DB1.DBX0.0', undefined, { area: 'DB', db: 1, start: 0, bytes: 1, bit: 0, type: 'BOOL' }],
    ['DB65535.DBD65535', 'real', { area: 'DB', db: 65535, start: 65535, type: 'REAL' }],
    ['M10.7', undefined, { area: 'M', start: 10, bit: 7, type: 'BOOL' }],
    ['EW4', 'INT', { area: 'I', start: 4, bytes: 2, type: 'INT' }],
    ['QB4', undefined, { area: 'Q', start: 4, bytes: 1, type: 'BYTE' }],
  ])('%s', (address, type, expected) => {
    expect(parseS7Tag(source(address, type))).toMatchObject(expected)
  })

  it.each([
    [source('DB1.DBX0'), 'address'],
    [source('DB1.DBX0.8'), 'address'],
    [source('DB1.DBW0.1'), 'address'],
    [source('DB70000.DBW0'), 'address'],
    [source('M70000.0'), 'address'],
    [source('M1'), 'address'],
    [source('holding:1'), 'address'],
    [source('DB1.DBW0', 'REAL'), 'type'],
    [source('DB1.DBB0', 'STRING'), 'length'],
    [source('DB1.DBB0', 'STRING', 255), 'length'],
    [source('DB1.DBB0', 'BYTE', 3), 'length'],
    [{ ...source('DB1.DBD0'), order: 'CDAB' as const }, 'order'],
  ])('%j is refused', (tag, key) => {
    expect(() => parseS7Tag(tag)).toThrow(expect.objectContaining({ key }) as Error)
  })
})
