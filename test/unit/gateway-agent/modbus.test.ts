import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Driver, TagSource } from '../../../gateway-agent/src/drivers/driver.ts'
import { Device, DeviceDown } from '../../../gateway-agent/src/drivers/device.ts'
import { createModbusTcp } from '../../../gateway-agent/src/drivers/modbus.ts'
import { silentLog } from './silent-log.ts'
import { startPlc, type TestPlc } from '../../helpers/plc.ts'
import { waitFor } from './wait-for.ts'

const source = (address: string, more: Partial<TagSource> = {}): TagSource => ({ name: address, address, ...more })
const TIMEOUT_MS = 300

let plc: TestPlc
let driver: Driver
beforeEach(async () => {
  plc = await startPlc()
  driver = createModbusTcp({ host: '127.0.0.1', port: plc.port, unitId: 1, timeoutMs: TIMEOUT_MS })
})
afterEach(async () => {
  await driver.close()
  await plc.stop()
})

const values = async (...tags: TagSource[]) => (await driver.read(tags)).map(({ value }) => value)

describe('Modbus TCP against a real server', { timeout: 15_000 }, () => {
  it('reads all four tables in the order asked', async () => {
    plc.holding.set(100, 0x428e).set(101, 0x6666).set(7, 0xffff)
    plc.input.set(7, 0x8000)
    plc.coils.set(3, true)
    await driver.connect()
    expect(
      await values(
        source('discrete:3'),
        source('holding:100', { type: 'float32' }),
        source('coil:3'),
        source('input:7', { type: 'int16' }),
        source('holding:7.15'),
        source('coil:4'),
      ),
    ).toEqual([false, 71.2, true, -32768, true, false])
  })

  it('reads many reads at once, one after the other', async () => {
    plc.holding.set(1, 11).set(2, 22)
    await driver.connect()
    const all = await Promise.all([1, 2, 1, 2, 1].map((offset) => values(source(`holding:${offset}`))))
    expect(all.flat()).toEqual([11, 22, 11, 22, 11])
  })

  it('a register that does not exist is bad for its tag only, and named', async () => {
    plc.missing.add(3)
    plc.holding.set(0, 1).set(6, 7)
    const tags = [source('holding:0'), source('holding:3'), source('holding:6')]
    await driver.connect()
    // The second time its plan is made of the parts that the device takes.
    for (let time = 0; time < 2; time += 1) {
      expect(await driver.read(tags)).toEqual([
        { value: 1, quality: 'good' },
        {
          value: null,
          quality: 'bad',
          fault: 'Modbus exception 2, illegal data address: the device has no such register',
        },
        { value: 7, quality: 'good' },
      ])
    }
  })

  it('a gap that the device refuses costs no value', async () => {
    plc.missing.add(3)
    await driver.connect()
    expect((await driver.read([source('holding:0'), source('holding:6')])).map(({ quality }) => quality)).toEqual([
      'good',
      'good',
    ])
  })

  it('no answer is told after the time-out', async () => {
    await driver.connect()
    plc.silent = true
    await expect(driver.read([source('holding:0')])).rejects.toThrow(`no answer within ${TIMEOUT_MS} ms`)
  })

  it('closing ends a read that waits', async () => {
    await driver.connect()
    plc.silent = true
    const reading = expect(driver.read([source('holding:0')])).rejects.toThrow('the connection was closed')
    await waitFor('the request to arrive', () => plc.asked > 0)
    await driver.close()
    await reading
  })

  it('a device that is not there, and a read without a connection', async () => {
    await expect(driver.read([source('holding:0')])).rejects.toThrow('not connected')
    const { port } = plc
    await plc.stop()
    const absent = createModbusTcp({ host: '127.0.0.1', port, unitId: 1, timeoutMs: TIMEOUT_MS })
    await expect(absent.connect()).rejects.toThrow('ECONNREFUSED')
    plc = await startPlc()
  })
})

describe('the link of a device', { timeout: 15_000 }, () => {
  it('goes down when the server dies, and comes up by itself when it is back', async () => {
    const links: boolean[] = []
    const device = new Device({ name: 'plc-1', driver, log: silentLog(), onLinkChange: () => links.push(device.isUp) })
    const tags = [source('holding:5')]
    const read = async () => {
      try {
        return (await device.read(tags))[0]!.value
      } catch (error) {
        expect(error).toBeInstanceOf(DeviceDown)
        return 'down'
      }
    }
    plc.holding.set(5, 42)
    expect(await read()).toBe(42)
    const { port } = plc
    await plc.stop()
    let seen: unknown = 42
    const poll = setInterval(() => void read().then((value) => (seen = value)), 20)
    await waitFor('the link to be down', () => seen === 'down')
    plc = await startPlc(port)
    plc.holding.set(5, 43)
    await waitFor('the link to be up', () => seen === 43)
    clearInterval(poll)
    expect(links).toEqual([true, false, true])
  })

  it('a connection that the device closed between two reads costs no reading', async () => {
    const links: boolean[] = []
    const device = new Device({ name: 'plc-1', driver, log: silentLog(), onLinkChange: () => links.push(device.isUp) })
    const tags = [source('holding:5')]
    for (let number = 1; number <= 3; number += 1) {
      plc.holding.set(5, number)
      expect((await device.read(tags))[0]).toEqual({ value: number, quality: 'good' })
      plc.cut()
    }
    expect(links).toEqual([true])
  })

  it('a device that accepts and never answers does not flap', async () => {
    const links: boolean[] = []
    const device = new Device({ name: 'plc-1', driver, log: silentLog(), onLinkChange: () => links.push(device.isUp) })
    plc.silent = true
    await expect(device.read([source('holding:5')])).rejects.toThrow(DeviceDown)
    await expect(device.read([source('holding:5')])).rejects.toThrow('no answer')
    expect(links).toEqual([false])
  })
})
