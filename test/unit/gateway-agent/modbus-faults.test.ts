import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Driver, TagSource } from '../../../gateway-agent/src/drivers/driver.ts'
import { createModbusTcp } from '../../../gateway-agent/src/drivers/modbus.ts'
import { startPlc, type TestPlc } from '../../helpers/plc.ts'
import { startTamperedLine, type TamperedLine } from '../../helpers/tampered-line.ts'
import { waitFor } from './wait-for.ts'

const TIMEOUT_MS = 200
const source = (address: string): TagSource => ({ name: address, address })

let plc: TestPlc
let line: TamperedLine
let driver: Driver
const open = (unitId = 1) => createModbusTcp({ host: '127.0.0.1', port: line.port, unitId, timeoutMs: TIMEOUT_MS })
beforeEach(async () => {
  plc = await startPlc()
  line = await startTamperedLine(plc.port)
  driver = open()
  await driver.connect()
})
afterEach(async () => {
  await driver.close()
  await line.stop()
  await plc.stop()
})

const read = async (address: string) => (await driver.read([source(address)]))[0]

describe('answers of a Modbus TCP device that are not what they should be', { timeout: 15_000 }, () => {
  it('cut in two, they are put together', async () => {
    plc.holding.set(3, 7)
    line.tamper = (answer, pass) => {
      pass(answer.subarray(0, 5))
      setTimeout(() => pass(answer.subarray(5)), 20)
    }
    expect(await read('holding:3')).toEqual({ value: 7, quality: 'good' })
  })

  it('cut short, they are no answer', async () => {
    line.tamper = (answer, pass) => pass(answer.subarray(0, -1))
    await expect(read('holding:3')).rejects.toThrow(`no answer within ${TIMEOUT_MS} ms`)
  })

  it('too late, they are not taken for the answer to the next request', async () => {
    plc.holding.set(1, 11).set(2, 22)
    // A second unit keeps the connection open after the time-out of the first.
    const other = open()
    await other.connect()
    let delayed: (() => void) | undefined
    line.tamper = (answer, pass) => {
      if (delayed) {
        delayed()
        pass(answer)
      } else delayed = () => pass(answer)
    }
    await expect(read('holding:1')).rejects.toThrow('no answer')
    expect(await read('holding:2')).toEqual({ value: 22, quality: 'good' })
    await other.close()
  })

  it('with the transaction id of another request, they are not believed', async () => {
    line.tamper = (answer, pass) => {
      answer.writeUInt16BE((answer.readUInt16BE(0) + 1) % 65_536, 0)
      pass(answer)
    }
    await expect(read('holding:3')).rejects.toThrow('no answer')
  })

  it('of another unit, they are not believed', async () => {
    line.tamper = (answer, pass) => {
      answer.writeUInt8(9, 6)
      pass(answer)
    }
    await expect(read('holding:3')).rejects.toThrow('no answer')
  })

  it.each([
    ['a wrong number of bytes', (answer: Buffer) => answer.writeUInt8(1, 8)],
    ['another function', (answer: Buffer) => answer.writeUInt8(4, 7)],
  ])('with %s, they are refused', async (_, falsify) => {
    line.tamper = (answer, pass) => {
      falsify(answer)
      pass(answer)
    }
    await expect(read('holding:3')).rejects.toThrow('the device answered something else than was asked')
  })

  it('garbage ends the connection, and the next one works', async () => {
    line.tamper = (_, pass) => pass(Buffer.from('HTTP/1.1 400 Bad Request\r\n'))
    await expect(read('holding:3')).rejects.toThrow('the device sent what is not Modbus TCP (485454502f312e31')
    await expect(read('holding:3')).rejects.toThrow('the device sent what is not Modbus TCP')
    await driver.close()
    line.tamper = (answer, pass) => pass(answer)
    await driver.connect()
    expect(await read('holding:3')).toEqual({ value: 0, quality: 'good' })
  })

  it('bytes that nobody asked for are harmless', async () => {
    line.tamper = (answer, pass) => pass(Buffer.concat([answer, answer]))
    for (let n = 0; n < 3; n += 1) expect(await read('holding:3')).toEqual({ value: 0, quality: 'good' })
  })

  it('a gateway that cannot reach the unit means that the device is away', async () => {
    line.tamper = (answer, pass) => {
      const exception = Buffer.from(answer.subarray(0, 9))
      exception.writeUInt16BE(3, 4)
      exception.writeUInt8(0x83, 7)
      exception.writeUInt8(11, 8)
      pass(exception)
    }
    await expect(read('holding:3')).rejects.toThrow('Modbus exception 11, gateway target device failed to respond')
  })
})

describe('several units behind one Modbus gateway', { timeout: 15_000 }, () => {
  it('share its connection, and one that is switched off costs the others nothing but time', async () => {
    const absent = open(9)
    await absent.connect()
    await expect(absent.read([source('holding:3')])).rejects.toThrow('no answer')
    expect(await read('holding:3')).toEqual({ value: 0, quality: 'good' })
    await expect(absent.read([source('holding:3')])).rejects.toThrow('no answer')
    expect(await read('holding:3')).toEqual({ value: 0, quality: 'good' })
    await absent.close()
  })

  it('a connection on which nobody answers any more is given up', async () => {
    const other = open()
    await other.connect()
    plc.silent = true
    await expect(read('holding:3')).rejects.toThrow('no answer')
    await expect(other.read([source('holding:3')])).rejects.toThrow('no answer')
    plc.silent = false
    await Promise.all([driver.close(), other.close()])
    await driver.connect()
    expect(await read('holding:3')).toEqual({ value: 0, quality: 'good' })
  })

  it('closing one ends its read at once, and leaves the other its own', async () => {
    const other = open()
    await other.connect()
    line.tamper = (answer, pass) => void wait(50).then(() => pass(answer))
    const [asked] = [plc.asked]
    const ended = expect(read('holding:3')).rejects.toThrow('the connection was closed')
    const others = other.read([source('holding:4')])
    await waitFor('the request to arrive', () => plc.asked > asked)
    await driver.close()
    await ended
    expect(await others).toEqual([{ value: 0, quality: 'good' }])
    await other.close()
  })
})
