import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Device, DeviceDown } from '../../../gateway-agent/src/drivers/device.ts'
import type { Driver, TagSource } from '../../../gateway-agent/src/drivers/driver.ts'
import { createModbusRtu } from '../../../gateway-agent/src/drivers/modbus.ts'
import { crc16 } from '../../../gateway-agent/src/drivers/modbus-rtu.ts'
import { startSerialPlc, type SerialPlc } from '../../helpers/serial-plc.ts'
import { readWhenBack } from './read-when-back.ts'
import { silentLog } from './silent-log.ts'

const TIMEOUT_MS = 200
const source = (address: string, more: Partial<TagSource> = {}): TagSource => ({ name: address, address, ...more })

let plc: SerialPlc
const drivers: Driver[] = []
async function open(unitId = 1): Promise<Driver> {
  const driver = createModbusRtu({
    path: plc.path,
    baudRate: 115_200,
    dataBits: 8,
    parity: 'none',
    stopBits: 1,
    unitId,
    timeoutMs: TIMEOUT_MS,
  })
  drivers.push(driver)
  await driver.connect()
  return driver
}
beforeEach(async () => {
  plc = await startSerialPlc()
})
afterEach(async () => {
  await Promise.all(drivers.splice(0).map((driver) => driver.close()))
  await plc.stop()
})

const read = async (driver: Driver, address: string) => (await driver.read([source(address)]))[0]

it('the CRC is that of the specification', () => {
  expect(crc16(Buffer.from('01030000000a', 'hex'))).toBe(0xcdc5)
})

describe('Modbus RTU over a pair of pseudo terminals', { timeout: 15_000 }, () => {
  it('reads registers and coils, merged, up to the longest answer', async () => {
    plc.holding = (offset) => (offset * 257) % 65_536
    const driver = await open()
    const values = await driver.read([
      source('holding:1'),
      source('holding:125', { type: 'int16' }),
      source('coil:3'),
      source('coil:4'),
    ])
    expect(values.map(({ value }) => value)).toEqual([257, 125 * 257, true, false])
  })

  it('an exception is told of its tag', async () => {
    plc.holding = (offset) => {
      if (offset === 7) throw Object.assign(new Error('none'), { modbusErrorCode: 2 })
      return offset
    }
    const driver = await open()
    expect(
      (await driver.read([source('holding:5'), source('holding:7')])).map(({ value, fault }) => fault ?? value),
    ).toEqual([5, 'Modbus exception 2, illegal data address: the device has no such register'])
  })

  it('finds an answer that comes in pieces, behind noise and an echo of the request', async () => {
    const driver = await open()
    plc.tamper = (answer, pass) => {
      pass(Buffer.from([0x00, 0xff, 0x01, 0x03, 0x00, 0x05, 0x00, 0x01, 0x94, 0x0b]))
      for (const byte of answer) pass(Buffer.from([byte]))
    }
    expect(await read(driver, 'holding:5')).toEqual({ value: 5, quality: 'good' })
  })

  it('an answer with a wrong CRC is none', async () => {
    const driver = await open()
    plc.tamper = (answer, pass) => {
      answer[3]! ^= 1
      pass(answer)
    }
    await expect(read(driver, 'holding:5')).rejects.toThrow(`no readable answer, only 7 bytes, within ${TIMEOUT_MS} ms`)
  })

  it('an answer that comes after its time-out is not taken for the next one', async () => {
    const driver = await open()
    let late: (() => void) | undefined
    plc.tamper = (answer, pass) => {
      if (late) pass(answer)
      else {
        late = () => pass(answer)
        setTimeout(late, TIMEOUT_MS * 1.5)
      }
    }
    await expect(read(driver, 'holding:5')).rejects.toThrow('no answer')
    await driver.close()
    await driver.connect()
    expect(await read(driver, 'holding:6')).toEqual({ value: 6, quality: 'good' })
  })

  it('units of one line take turns, whatever the one has to read', async () => {
    plc.holding = (_, unitId) => unitId
    const [busy, small] = await Promise.all([open(1), open(2)])
    // Five requests of the one, since no two of these registers fit in one.
    const many = busy.read([0, 1000, 2000, 3000, 4000].map((offset) => source(`holding:${offset}`)))
    expect(await read(small, 'holding:0')).toEqual({ value: 2, quality: 'good' })
    expect(plc.asked.lastIndexOf(2)).toBeLessThan(3)
    expect((await many).map(({ value }) => value)).toEqual([1, 1, 1, 1, 1])
  })

  it('a unit that is switched off delays the others by no more than its time-outs', async () => {
    plc.silent.add(1)
    const [off, on] = await Promise.all([open(1), open(2)])
    const failed = expect(read(off, 'holding:0')).rejects.toThrow('no answer')
    expect(await read(on, 'holding:3')).toEqual({ value: 3, quality: 'good' })
    await failed
    expect(await read(on, 'holding:4')).toEqual({ value: 4, quality: 'good' })
  })

  it('the adapter pulled out is told, and plugged in again it works', async () => {
    const driver = await open()
    const links: boolean[] = []
    const device = new Device({ name: 'meter', driver, log: silentLog(), onLinkChange: () => links.push(device.isUp) })
    const tags = [source('holding:5')]
    expect(await device.read(tags)).toEqual([{ value: 5, quality: 'good' }])
    await plc.pullOut()
    await expect(device.read(tags)).rejects.toThrow(DeviceDown)
    await plc.plugIn()
    expect(await readWhenBack(device, tags)).toEqual([{ value: 5, quality: 'good' }])
    expect(links).toEqual([true, false, true])
  })

  it('a port that is not there is told by name', async () => {
    await plc.pullOut()
    await expect(open()).rejects.toThrow(plc.path)
  })
})
