import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Tag } from '../../../gateway-agent/src/configuration.ts'
import { Device } from '../../../gateway-agent/src/drivers/device.ts'
import type { DataValue, Driver } from '../../../gateway-agent/src/drivers/driver.ts'
import { createModbusTcp } from '../../../gateway-agent/src/drivers/modbus.ts'
import { Outbox, type Reading } from '../../../gateway-agent/src/outbox.ts'
import { Poller, readingsOf } from '../../../gateway-agent/src/poller.ts'
import type { TelemetryV1 } from '../../../schemas/telemetry.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { silentLog } from './silent-log.ts'
import { startPlc, type TestPlc } from '../../helpers/plc.ts'
import { waitFor } from './wait-for.ts'

const tag = (name: string, address: string, more: Partial<Tag> = {}): Tag => ({
  name,
  address,
  device: 'plc-1',
  intervalMs: 50,
  scale: 1,
  offset: 0,
  ...more,
})

let plc: TestPlc
let readings: Reading[]
let poller: Poller | undefined
let device: Device | undefined
beforeEach(async () => {
  plc = await startPlc()
  readings = []
})
afterEach(async () => {
  await poller?.stop()
  await device?.close()
  await plc.stop()
})

const outbox = { add: (added: readonly Reading[]) => void readings.push(...added) }

function poll(machines: { slug: string; tags: Tag[] }[], driver?: Driver): void {
  device = new Device({
    name: 'plc-1',
    driver: driver ?? createModbusTcp({ host: '127.0.0.1', port: plc.port, unitId: 1, timeoutMs: 300 }),
    log: silentLog(),
    onLinkChange: () => undefined,
  })
  poller = new Poller({ device, machines, outbox, log: silentLog() })
}

describe('the poller', { timeout: 15_000 }, () => {
  it('puts what is read in one cycle in one message of its machine, stamped with the moment of the read', async () => {
    plc.holding.set(1, 2345).set(9, 7)
    const before = Date.now()
    poll([
      { slug: 'pump-1', tags: [tag('pressure', 'holding:1', { scale: 0.01 }), tag('speed', 'holding:9')] },
      { slug: 'robot-2', tags: [tag('on', 'coil:0')] },
    ])
    await waitFor('two cycles', () => readings.length >= 4)
    expect(readings.slice(0, 2)).toEqual([
      { machine: 'pump-1', timestamp: expect.any(Number) as number, values: { pressure: 23.45, speed: 7 } },
      { machine: 'robot-2', timestamp: readings[0]!.timestamp, values: { on: false } },
    ])
    expect(readings[0]!.timestamp).toBeGreaterThanOrEqual(before)
    expect(readings[2]!.timestamp).toBeGreaterThan(readings[0]!.timestamp)
  })

  it('reads tags of a longer interval only in their own cycles, together with the others', async () => {
    poll([{ slug: 'pump-1', tags: [tag('fast', 'holding:1'), tag('slow', 'holding:2', { intervalMs: 1000 })] }])
    const shapes = () => readings.map(({ values }) => Object.keys(values).join())
    await waitFor('the slow tag again', () => shapes().filter((shape) => shape.includes('slow')).length === 2)
    expect(shapes().slice(0, 2)).toEqual(['fast,slow', 'fast'])
    expect(shapes().filter((shape) => shape === 'fast').length).toBeGreaterThan(2)
  })

  it('gives units with the first message of their tags, and not with the next', async () => {
    poll([
      { slug: 'pump-1', tags: [tag('pressure', 'holding:1', { unit: 'bar' }), tag('count', 'holding:2')] },
      { slug: 'robot-2', tags: [tag('on', 'coil:0')] },
    ])
    await waitFor('two cycles', () => readings.length >= 4)
    expect(readings.slice(0, 4).map(({ units }) => units)).toEqual([
      { pressure: 'bar' },
      undefined,
      undefined,
      undefined,
    ])
  })

  it('sends only what moved beyond its dead-band', async () => {
    plc.holding.set(1, 100)
    poll([{ slug: 'pump-1', tags: [tag('a', 'holding:1', { deadband: 5 })] }])
    await waitFor('several cycles', () => plc.asked >= 4)
    expect(readings.length).toBe(1)
    plc.holding.set(1, 106)
    await waitFor('the change', () => readings.length === 2)
    expect(readings[1]!.values).toEqual({ a: 106 })
  })

  it('says null and bad once when the link is lost, then nothing, then present values again', async () => {
    plc.holding.set(1, 42)
    poll([{ slug: 'pump-1', tags: [tag('a', 'holding:1'), tag('b', 'coil:1')] }])
    await waitFor('a first value', () => readings.length > 0)
    const { port } = plc
    await plc.stop()
    await waitFor('the loss', () => readings.at(-1)!.values.a === null)
    const lost = readings.length
    expect(readings.at(-1)).toMatchObject({ values: { a: null, b: null }, quality: { a: 'bad', b: 'bad' } })
    expect(device!.isUp).toBe(false)
    plc = await startPlc(port)
    plc.holding.set(1, 43)
    await waitFor('the present value', () => readings.length > lost)
    expect(readings[lost]!.values).toEqual({ a: 43, b: false })
    expect(readings.filter(({ values }) => values.a === null)).toHaveLength(1)
  })

  it('skips and counts the cycles that a slow device swallows', async () => {
    const never = Promise.withResolvers<DataValue[]>()
    let reads = 0
    const slow: Driver = {
      connect: () => Promise.resolve(),
      read: () => (++reads === 1 ? never.promise : Promise.resolve([{ value: reads, quality: 'good' }])),
      close: () => Promise.resolve(),
    }
    poll([{ slug: 'pump-1', tags: [tag('a', 'holding:1')] }], slow)
    const start = performance.now()
    await waitFor('four intervals', () => performance.now() - start > 220)
    expect(reads).toBe(1)
    never.resolve([{ value: 1, quality: 'good' }])
    await waitFor('the next cycles', () => readings.length >= 3)
    expect(poller!.skippedCycles).toBeGreaterThanOrEqual(3)
    expect(readings.slice(0, 3).map(({ values }) => values.a)).toEqual([1, 2, 3])
  })

  it('a cable pulled in the middle of a read: null and bad once, silence, and present values when it is back', async () => {
    plc.holding.set(1, 42)
    poll([{ slug: 'pump-1', tags: [tag('a', 'holding:1')] }])
    await waitFor('a first value', () => readings.length > 0)
    const asked = plc.asked
    plc.silent = true
    await waitFor('a request without answer', () => plc.asked > asked)
    await waitFor('the loss', () => readings.at(-1)!.values.a === null)
    const lost = readings.length
    await waitFor('further attempts', () => plc.asked > asked + 2)
    expect(readings).toHaveLength(lost)
    plc.silent = false
    plc.holding.set(1, 43)
    await waitFor('the present value', () => readings.length > lost)
    expect(readings[lost]!.values).toEqual({ a: 43 })
  })

  it('a device that does not answer delays no other', async () => {
    const dead = await startPlc()
    dead.silent = true
    const driver = createModbusTcp({ host: '127.0.0.1', port: dead.port, unitId: 1, timeoutMs: 5000 })
    const deadDevice = new Device({ name: 'plc-2', driver, log: silentLog(), onLinkChange: () => undefined })
    const machines = [{ slug: 'pump-1', tags: [tag('a', 'holding:1'), tag('b', 'holding:1', { device: 'plc-2' })] }]
    const other = new Poller({ device: deadDevice, machines, outbox, log: silentLog() })
    poll(machines)
    await waitFor('twenty cycles of the living', () => readings.length >= 20, 3000)
    expect(readings.every(({ values }) => Object.keys(values).join() === 'a')).toBe(true)
    await dead.stop()
    await deadDevice.close()
    await other.stop()
  })

  it('a clock that jumps an hour back and forth changes timestamps, and neither cadence nor seqs', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const store = new Outbox(join(temporaryFolder(), 'outbox.sqlite'), { maxMegabytes: 10 })
    onTestFinished(() => store.close())
    const HOUR_MS = 3_600_000
    const noon = Date.UTC(2026, 0, 1, 12)
    const driver = createModbusTcp({ host: '127.0.0.1', port: plc.port, unitId: 1, timeoutMs: 300 })
    device = new Device({ name: 'plc-1', driver, log: silentLog(), onLinkChange: () => undefined })
    vi.setSystemTime(noon)
    const begin = performance.now()
    poller = new Poller({
      device,
      machines: [{ slug: 'pump-1', tags: [tag('a', 'holding:1')] }],
      outbox: store,
      log: silentLog(),
    })
    const clocks = [noon, noon - HOUR_MS, noon + HOUR_MS]
    for (const [jump, clock] of clocks.entries()) {
      vi.setSystemTime(clock)
      await waitFor('cycles', () => store.count >= 5 * (jump + 1))
    }
    await poller.stop()
    const elapsedMs = performance.now() - begin
    const messages = store
      .peek({ after: 0, until: store.lastId, limit: 100 })
      .map(({ payload }) => JSON.parse(payload) as TelemetryV1)
    expect(messages.map(({ seq }) => seq - noon)).toEqual(messages.map((_, index) => index))
    expect([...new Set(messages.map(({ timestamp }) => timestamp))]).toEqual(clocks)
    const instants = elapsedMs / 50
    expect(messages.length + poller.skippedCycles).toBeGreaterThan(instants - 2)
    expect(messages.length + poller.skippedCycles).toBeLessThan(instants + 2)
  })

  it('taken over by another, the rhythm goes on and no cycle is lost', async () => {
    const machines = [{ slug: 'pump-1', tags: [tag('a', 'holding:1', { intervalMs: 100 })] }]
    poll(machines)
    await waitFor('two cycles', () => readings.length >= 2)
    const before = poller!
    await before.stop()
    const more = [{ slug: 'pump-1', tags: [...machines[0]!.tags, tag('b', 'holding:2', { intervalMs: 100 })] }]
    poller = new Poller({ device: device!, machines: more, outbox, log: silentLog(), before })
    await waitFor('four cycles', () => readings.length >= 4)
    expect(readings.slice(0, 4).map(({ values }) => Object.keys(values).join())).toEqual(['a', 'a', 'a,b', 'a,b'])
    const skipped = before.skippedCycles + poller.skippedCycles
    const elapsedMs = readings[3]!.timestamp - readings[0]!.timestamp
    expect(Math.round(elapsedMs / 100)).toBe(3 + skipped)
  })

  it('remembers the last of each tag, and what it could not store', async () => {
    plc.holding.set(1, 42)
    poll([{ slug: 'pump-1', tags: [tag('a', 'holding:1', { scale: 0.5 })] }])
    await waitFor('a cycle', () => readings.length > 0)
    expect([...poller!.samples]).toEqual([
      expect.objectContaining({ machine: 'pump-1', value: { value: 21, quality: 'good' } }),
    ])
    expect(poller!.lostReadings).toBe(0)
  })

  it('goes on after the outbox could not store', async () => {
    let fail = true
    const log = silentLog()
    const driver = createModbusTcp({ host: '127.0.0.1', port: plc.port, unitId: 1, timeoutMs: 300 })
    device = new Device({ name: 'plc-1', driver, log, onLinkChange: () => undefined })
    const flaky = {
      add(added: readonly Reading[]) {
        if (fail) throw new Error('database or disk is full')
        outbox.add(added)
      },
    }
    poller = new Poller({ device, machines: [{ slug: 'pump-1', tags: [tag('a', 'holding:1')] }], outbox: flaky, log })
    await waitFor('the warning', () => log.lines.some((line) => line.includes('disk is full')))
    fail = false
    await waitFor('a reading', () => readings.length > 0)
    expect(poller.lostReadings).toBeGreaterThan(0)
  })

  it('what the outbox could not store counts as not sent: the change, and the loss of the link, are told as soon as it can', async () => {
    let answer: DataValue | Error = { value: 1, quality: 'good' }
    let fail = false
    const driver: Driver = {
      connect: () => Promise.resolve(),
      read: () => (answer instanceof Error ? Promise.reject(answer) : Promise.resolve([answer])),
      close: () => Promise.resolve(),
    }
    const flaky = {
      add(added: readonly Reading[]) {
        if (fail) throw new Error('database or disk is full')
        outbox.add(added)
      },
    }
    device = new Device({ name: 'plc-1', driver, log: silentLog(), onLinkChange: () => undefined })
    const machines = [{ slug: 'pump-1', tags: [tag('a', 'holding:1', { maxSilenceMs: 86_400_000, unit: 'bar' })] }]
    poller = new Poller({ device, machines, outbox: flaky, log: silentLog() })
    await waitFor('the first value', () => readings.length === 1)
    for (const [said, value] of [
      [{ value: 2, quality: 'good' } as const, 2],
      [new Error('cable'), null],
    ] as const) {
      fail = true
      answer = said
      const { lostReadings } = poller
      await waitFor('a reading that is lost', () => poller!.lostReadings > lostReadings)
      fail = false
      await waitFor('it to be told all the same', () => readings.at(-1)!.values.a === value)
      expect(readings.at(-1)!.units).toEqual({ a: 'bar' })
    }
    expect(readings).toHaveLength(3)
  })

  it('the loss of the link is never told as earlier than a value whose time came from the device', async () => {
    let isLost = false
    // A clock that is fast by less than what is tolerated.
    const ahead = () => ({ value: 1, quality: 'good' as const, timestamp: Date.now() + 900 })
    const driver: Driver = {
      connect: () => Promise.resolve(),
      read: () => (isLost ? Promise.reject(new Error('cable')) : Promise.resolve([ahead()])),
      close: () => Promise.resolve(),
    }
    poll([{ slug: 'pump-1', tags: [tag('a', 'ns=1;s=a')] }], driver)
    await waitFor('a value', () => readings.length > 1)
    isLost = true
    await waitFor('the loss', () => readings.at(-1)!.values.a === null)
    const [value, loss] = readings.slice(-2)
    expect(loss!.timestamp).toBeGreaterThanOrEqual(value!.timestamp)
  })

  it('splits more than 256 tags in messages of the same instant', () => {
    const values = new Map(
      Array.from({ length: 600 }, (_, index): [string, DataValue] => [
        `t${index}`,
        index === 300 ? { value: null, quality: 'bad' } : { value: index, quality: 'good' },
      ]),
    )
    const messages = readingsOf(
      'pump-1',
      5,
      values,
      new Map([
        ['t0', '°C'],
        ['t599', 'bar'],
      ]),
    )
    expect(messages.map((message) => Object.keys(message.values).length)).toEqual([256, 256, 88])
    expect(messages.map(({ quality }) => quality)).toEqual([undefined, { t300: 'bad' }, undefined])
    expect(messages.map(({ units }) => units)).toEqual([{ t0: '°C' }, undefined, { t599: 'bar' }])
    expect(messages.every(({ timestamp }) => timestamp === 5)).toBe(true)
  })

  it('splits what is longer than AWS IoT takes: it would end the connection at each attempt, for ever', () => {
    // A data block of texts that nothing has written yet; JSON takes six bytes for each character.
    const text = { value: '\u0001'.repeat(254), quality: 'uncertain' as const }
    const names = Array.from({ length: 256 }, (_, index) => `text-${index}`.padEnd(64, '-'))
    const units = new Map(names.map((name) => [name, '\u0001'.repeat(32)]))
    const messages = readingsOf('pump-1', Date.now(), new Map(names.map((name) => [name, text])), units)
    const sizes = messages.map((message) =>
      Buffer.byteLength(JSON.stringify({ schemaVersion: 1, seq: 1.7e12, ...message })),
    )
    expect(Math.max(...sizes)).toBeLessThan(128 * 1024)
    expect(messages.flatMap(({ values }) => Object.keys(values))).toEqual(names)
    expect(messages.every(({ values }) => Object.keys(values).length > 0)).toBe(true)
  })
})
