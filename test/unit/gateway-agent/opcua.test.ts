import { mkdirSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { DataType, StatusCodes } from 'node-opcua'
import { ClientMonitoredItemGroup } from 'node-opcua-client'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { browse, type BrowseOptions } from '../../../gateway-agent/src/browse.ts'
import { Device } from '../../../gateway-agent/src/drivers/device.ts'
import type { Driver, TagSource } from '../../../gateway-agent/src/drivers/driver.ts'
import type { BrowsedNode } from '../../../gateway-agent/src/drivers/opcua-browse.ts'
import { createOpcUa } from '../../../gateway-agent/src/drivers/opcua.ts'
import type { OpcUaOptions } from '../../../gateway-agent/src/drivers/opcua-connection.ts'
import { startOpcUaPlc, type OpcUaPlc } from '../../helpers/opcua-plc.ts'
import { startTamperedLine } from '../../helpers/tampered-line.ts'
import { silentLog } from './silent-log.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { waitFor } from './wait-for.ts'

const TIMEOUT_MS = 2000
const source = (name: string, intervalMs = 50): TagSource => ({ name, address: `ns=1;s=${name}`, intervalMs })

let plc: OpcUaPlc
let pkiDir: string
beforeAll(async () => {
  plc = await startOpcUaPlc()
}, 60_000)
afterAll(() => plc.stop())
beforeEach(() => {
  pkiDir = temporaryFolder()
})

function open(more: Partial<OpcUaOptions> = {}): Driver {
  const driver = createOpcUa({ endpoint: plc.endpoint, securityMode: 'None', pkiDir, timeoutMs: TIMEOUT_MS, ...more })
  onTestFinished(() => driver.close())
  return driver
}

describe('OPC UA against a real server', { timeout: 30_000 }, () => {
  it('reads every type at its limits', async () => {
    const date = new Date('2026-11-24T06:55:35.123Z')
    const values: [string, DataType, unknown, unknown][] = [
      ['boolean', DataType.Boolean, true, true],
      ['sbyte', DataType.SByte, -128, -128],
      ['byte', DataType.Byte, 255, 255],
      ['int16', DataType.Int16, -32768, -32768],
      ['uint16', DataType.UInt16, 65535, 65535],
      ['int32', DataType.Int32, -2147483648, -2147483648],
      ['uint32', DataType.UInt32, 4294967295, 4294967295],
      ['int64', DataType.Int64, [0xffffffff, 0xfffffffe], -2],
      ['int64-positive', DataType.Int64, [1, 2], 2 ** 32 + 2],
      ['uint64', DataType.UInt64, [0x001fffff, 0xffffffff], Number.MAX_SAFE_INTEGER],
      ['float', DataType.Float, 71.2, 71.2],
      ['double', DataType.Double, -1.7976931348623157e308, -1.7976931348623157e308],
      ['string', DataType.String, 'año', 'año'],
      ['date', DataType.DateTime, date, date.toISOString()],
      ['localized', DataType.LocalizedText, { text: 'Bomba' }, 'Bomba'],
    ]
    for (const [name, dataType, value] of values) plc.set(name, dataType, value)
    const driver = open()
    await driver.connect()
    const read = await driver.read(values.map(([name]) => source(name)))
    expect(read.map(({ value }) => value)).toEqual(values.map((row) => row[3]))
    expect(new Set(read.map(({ quality }) => quality))).toEqual(new Set(['good']))
  })

  it('tells the status and the time of the server, and what cannot be sent', async () => {
    const at = new Date('2026-11-24T06:00:00Z')
    plc.set('good', DataType.Double, 1, { at })
    plc.set('uncertain', DataType.Double, 2, { at, status: StatusCodes.UncertainSensorNotAccurate })
    plc.set('bad', DataType.Double, 3, { at, status: StatusCodes.BadSensorFailure })
    plc.set('nan', DataType.Double, NaN, { at })
    plc.set('wide', DataType.UInt64, [0xffffffff, 0xffffffff], { at })
    plc.set('list', DataType.Double, [1, 2], { at, isArray: true })
    plc.set('bytes', DataType.ByteString, Buffer.from('x'), { at })
    const driver = open()
    await driver.connect()
    const tags = ['good', 'uncertain', 'bad', 'nan', 'wide', 'list', 'bytes', 'absent'].map((name) => source(name))
    const timestamp = at.getTime()
    expect(await driver.read(tags)).toEqual([
      { value: 1, quality: 'good', timestamp },
      { value: 2, quality: 'uncertain', fault: 'the server says UncertainSensorNotAccurate', timestamp },
      { value: null, quality: 'bad', fault: 'the server says BadSensorFailure', timestamp },
      { value: null, quality: 'bad', fault: 'the device says NaN', timestamp },
      { value: 2 ** 64, quality: 'uncertain', timestamp },
      { value: null, quality: 'bad', fault: 'an array; only single values can be sent', timestamp },
      {
        value: null,
        quality: 'bad',
        fault: 'a value of type ByteString; numbers, bits and texts can be sent',
        timestamp,
      },
      { value: null, quality: 'bad', fault: 'the server says BadNodeIdUnknown' },
    ])
  })

  it('a change is told by the subscription, with its own time', async () => {
    plc.set('moving', DataType.Double, 1, { at: new Date(1_000_000) })
    const driver = open()
    const tags = [source('moving')]
    await driver.connect()
    expect(await driver.read(tags)).toEqual([{ value: 1, quality: 'good', timestamp: 1_000_000 }])
    plc.set('moving', DataType.Double, 2, { at: new Date(2_000_000) })
    let seen: unknown
    const poll = setInterval(() => void driver.read(tags).then(([value]) => (seen = value)), 20)
    onTestFinished(() => clearInterval(poll))
    await waitFor('the change', () => (seen as { value: unknown } | undefined)?.value === 2)
    expect(seen).toEqual({ value: 2, quality: 'good', timestamp: 2_000_000 })
  })

  it.each([
    ['subscribed', true],
    ['read', false],
  ])('a node named by the URI of its namespace is %s, whatever the number of that namespace', async (_, has) => {
    const server = await startOpcUaPlc({ hasSubscriptions: has, foreignNamespaces: ['urn:one', 'urn:two'] })
    onTestFinished(() => server.stop())
    server.set('a', DataType.Double, 1)
    server.set('b;ns=1;s=c', DataType.Double, 2)
    const driver = open({ endpoint: server.endpoint })
    await driver.connect()
    const addresses = [`nsu=${server.namespaceUri};s=a`, `nsu=${server.namespaceUri};s=b;ns=1;s=c`, 'nsu=urn:none;s=a']
    const read = await driver.read(addresses.map((address) => ({ name: 'x', address, intervalMs: 50 })))
    expect(read).toMatchObject([
      { value: 1, quality: 'good' },
      { value: 2, quality: 'good' },
      { value: null, quality: 'bad', fault: "the server does not have the address's namespace" },
    ])
  })

  it('1,200 nodes are subscribed in a few requests', async () => {
    const names = Array.from({ length: 1200 }, (_, n) => `many-${n}`)
    for (const [index, name] of names.entries()) plc.set(name, DataType.Int32, index)
    const driver = open()
    await driver.connect()
    expect((await driver.read(names.map((name) => source(name, 1000)))).map(({ value }) => value)).toEqual(
      names.map((_, index) => index),
    )
  })
})

describe('nodes that the server does not know', { timeout: 30_000 }, () => {
  it('are asked for again every minute, without taking more memory each time', async () => {
    const { create } = ClientMonitoredItemGroup
    const made: WeakRef<ClientMonitoredItemGroup>[] = []
    ClientMonitoredItemGroup.create = (...all) => {
      const group = create(...all)
      made.push(new WeakRef(group))
      return group
    }
    vi.useFakeTimers({ toFake: ['performance'] })
    vi.advanceTimersByTime(1000)
    onTestFinished(() => {
      ClientMonitoredItemGroup.create = create
      vi.useRealTimers()
    })
    const driver = open()
    await driver.connect()
    plc.set('known', DataType.Int32, 0)
    const tags = [source('known'), source('not-yet'), source('never')]
    await driver.read(tags)
    for (let minute = 1; minute <= 5; minute += 1) {
      vi.advanceTimersByTime(61_000)
      if (minute === 5) plc.set('not-yet', DataType.Int32, 7)
      // That the server is there still is known by what it tells.
      plc.set('known', DataType.Int32, minute)
      while ((await driver.read(tags).catch(() => undefined))?.[0]?.value !== minute) await wait(5)
    }
    while ((await driver.read(tags))[1]?.value !== 7) await wait(5)
    expect(made.length).toBeGreaterThanOrEqual(6)
    expect(await driver.read(tags)).toMatchObject([
      { value: 5 },
      { value: 7 },
      { fault: 'the server says BadNodeIdUnknown' },
    ])
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    await waitFor('what is not needed to be let go', () => {
      collect()
      return made.filter((group) => group.deref()).length <= 2
    })
  })
})

describe('OPC UA without subscriptions', { timeout: 30_000 }, () => {
  it('reads the nodes at each cycle', async () => {
    const limited = await startOpcUaPlc({ hasSubscriptions: false })
    onTestFinished(() => limited.stop())
    limited.set('a', DataType.Double, 1, { at: new Date(1_000_000) })
    const driver = open({ endpoint: limited.endpoint })
    const tags = [source('a'), source('absent')]
    await driver.connect()
    expect((await driver.read(tags))[0]).toEqual({ value: 1, quality: 'good', timestamp: 1_000_000 })
    limited.set('a', DataType.Double, 2, { at: new Date(2_000_000) })
    expect(await driver.read(tags)).toEqual([
      { value: 2, quality: 'good', timestamp: 2_000_000 },
      { value: null, quality: 'bad', fault: 'the server says BadNodeIdUnknown' },
    ])
  })
})

describe('browse', { timeout: 30_000 }, () => {
  const device = (name: string) => ({
    ...({
      name,
      driver: 'opcua',
      endpoint: plc.endpoint,
      securityMode: 'None',
      pkiDir,
      timeoutMs: TIMEOUT_MS,
    } as const),
  })
  const lines = async (devices: ReturnType<typeof device>[], options: Partial<BrowseOptions>) => {
    const printed: string[] = []
    await browse({ devices }, { depth: 1, json: false, ...options }, (line) => printed.push(line))
    return printed
  }

  it('prints the nodes with their addresses and values, level by level', async () => {
    plc.set('text', DataType.String, 'RUN')
    plc.set('broken', DataType.Double, 1, { status: StatusCodes.BadSensorFailure })
    const shallow = await lines([device('plc')], {})
    expect(shallow).toContain(`text  nsu=${plc.namespaceUri};s=text = "RUN"`)
    expect(shallow).toContain(`broken  nsu=${plc.namespaceUri};s=broken = the server says BadSensorFailure`)
    expect(shallow).toContain('Server  i=2253')
    const server = await lines([device('plc')], { node: 'i=2253', depth: 2 })
    expect(server).toContain(
      'ServerStatus  i=2256 = a value of type ExtensionObject; numbers, bits and texts can be sent',
    )
    expect(server.find((line) => line.startsWith('  State  i=2259'))).toBe('  State  i=2259 = 0')
  })

  it('tells programs a line of JSON per node', async () => {
    plc.set('text', DataType.String, 'RUN', { at: new Date(1_000_000) })
    const nodes = (await lines([device('plc')], { json: true })).map((line) => JSON.parse(line) as BrowsedNode)
    const address = `nsu=${plc.namespaceUri};s=text`
    const value = { value: 'RUN', quality: 'good', timestamp: 1_000_000 }
    expect(nodes).toContainEqual({ level: 1, name: 'text', address, value })
    expect(nodes).toContainEqual({ level: 1, name: 'Server', address: 'i=2253' })
    const below = await lines([device('plc')], { json: true, node: `nsu=${plc.namespaceUri};s=text` })
    expect(below).toEqual([])
  })

  it('says which device and which node are wrong', async () => {
    const two = [device('plc-1'), device('plc-2')]
    await expect(lines(two, {})).rejects.toThrow('browse: --device is missing; allowed: plc-1, plc-2')
    await expect(lines(two, { device: 'plc1' })).rejects.toThrow(
      'browse: "plc1" is no device with driver opcua; did you mean plc-1? Allowed: plc-1, plc-2',
    )
    await expect(lines([], {})).rejects.toThrow('browse: the configuration has no device with driver opcua')
    await expect(lines(two, { device: 'plc-2', node: 'ns=1;s=none' })).rejects.toThrow(
      `plc-2 (${plc.endpoint}): nsu=${plc.namespaceUri};s=none: the server says BadNodeIdUnknown`,
    )
  })
})

describe('OPC UA with security', { timeout: 60_000 }, () => {
  /** What a person does who has compared the certificates. */
  const trustTheRejected = () => {
    mkdirSync(join(pkiDir, 'trusted/certs'), { recursive: true })
    for (const name of readdirSync(join(pkiDir, 'rejected'))) {
      renameSync(join(pkiDir, 'rejected', name), join(pkiDir, 'trusted/certs', name))
    }
  }

  it.each(['Sign', 'SignAndEncrypt'] as const)(
    '%s: a server is believed when its certificate is in the trust list',
    async (securityMode) => {
      plc.set('a', DataType.Double, 1)
      const driver = open({ securityMode })
      await expect(driver.connect()).rejects.toThrow(
        `the server's certificate is not trusted: compare it with the server, then move it from ${join(pkiDir, 'rejected')} to ${join(pkiDir, 'trusted/certs')}`,
      )
      expect(readdirSync(join(pkiDir, 'rejected'))).toHaveLength(1)
      trustTheRejected()
      await driver.connect()
      expect((await driver.read([source('a')]))[0]).toMatchObject({ value: 1, quality: 'good' })
    },
  )

  it('a server that does not trust this gateway is told so', async () => {
    const strict = await startOpcUaPlc({ isTrusting: false })
    onTestFinished(() => strict.stop())
    const driver = open({ endpoint: strict.endpoint, securityMode: 'SignAndEncrypt' })
    await expect(driver.connect()).rejects.toThrow('certificate is not trusted')
    trustTheRejected()
    await expect(driver.connect()).rejects.toThrow(
      `the server does not trust this gateway: permit ${join(pkiDir, 'own/certs')} there`,
    )
  })

  it('user and password are checked by the server', async () => {
    const closed = await startOpcUaPlc({ user: { name: 'gateway', password: 'secret' } })
    onTestFinished(() => closed.stop())
    closed.set('a', DataType.Double, 1)
    await expect(open({ endpoint: closed.endpoint }).connect()).rejects.toThrow(/BadIdentityToken|anonymous/i)
    await expect(open({ endpoint: closed.endpoint, user: 'gateway', password: 'wrong' }).connect()).rejects.toThrow(
      'the server refuses user and password',
    )
    const driver = open({ endpoint: closed.endpoint, user: 'gateway', password: 'secret' })
    await driver.connect()
    expect((await driver.read([source('a')]))[0]).toMatchObject({ value: 1 })
  })
})

describe('an OPC UA server that fails', { timeout: 60_000 }, () => {
  it('killed and back: the link goes down and comes up, and subscriptions are made again', async () => {
    const serverPki = temporaryFolder()
    let server = await startOpcUaPlc({ pkiDir: serverPki })
    onTestFinished(() => server.stop())
    server.set('a', DataType.Double, 1)
    const { port } = server
    const links: boolean[] = []
    const driver = open({ endpoint: server.endpoint })
    const device = new Device({ name: 'plc', driver, log: silentLog(), onLinkChange: () => links.push(device.isUp) })
    const tags = [source('a')]
    let seen: unknown
    let isReading = false
    const poll = setInterval(() => {
      if (isReading) return
      isReading = true
      device
        .read(tags)
        .then(
          ([value]) => (seen = value!.value),
          () => (seen = 'down'),
        )
        .finally(() => (isReading = false))
    }, 50)
    onTestFinished(() => clearInterval(poll))
    await waitFor('the first value', () => seen === 1)
    await server.stop()
    await waitFor('the link to be down', () => seen === 'down', 20_000)
    server = await startOpcUaPlc({ pkiDir: serverPki, port })
    server.set('a', DataType.Double, 2)
    await waitFor('the value after the restart', () => seen === 2, 30_000)
    expect(links).toEqual([true, false, true])
  })

  it.each([50, 600_000])(
    'a line that carries nothing any more is told within the time-out, for a value of before is no value of now (tags of %i ms)',
    async (intervalMs) => {
      const line = await startTamperedLine(plc.port)
      onTestFinished(() => line.stop())
      plc.set('a', DataType.Double, 1)
      const driver = open({ endpoint: `opc.tcp://127.0.0.1:${line.port}`, timeoutMs: 500 })
      const tags = [source('a', intervalMs)]
      await driver.connect()
      await driver.read(tags)
      line.tamper = () => undefined
      let fault = ''
      const poll = setInterval(
        () => void driver.read(tags).catch((error: unknown) => (fault ||= (error as Error).message)),
        50,
      )
      onTestFinished(() => clearInterval(poll))
      await waitFor('the silence to be told', () => fault !== '', 5000)
      expect(fault).toMatch(/no sign of life from the server|closed the connection/)
    },
  )

  it.each<[string, (answer: Buffer) => Buffer]>([
    ['garbage', () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['answers cut in half', (answer) => answer.subarray(0, answer.length >> 1)],
    ['answers with flipped bytes', (answer) => Buffer.from(answer.map((byte, at) => (at > 12 ? byte ^ 0x55 : byte)))],
  ])('%s end in a rejection, and the next connection works', async (_, falsify) => {
    const line = await startTamperedLine(plc.port)
    onTestFinished(() => line.stop())
    plc.set('a', DataType.Double, 1)
    const driver = open({ endpoint: `opc.tcp://127.0.0.1:${line.port}`, timeoutMs: 1000 })
    await driver.connect()
    line.tamper = (answer, pass) => pass(falsify(answer))
    await expect(
      (async () => {
        for (;;) await driver.read([source('a'), source(`n${Math.random()}`)])
      })(),
    ).rejects.toThrow()
    await driver.close()
    await expect(driver.connect()).rejects.toThrow()
    line.tamper = (answer, pass) => pass(answer)
    await driver.connect()
    expect((await driver.read([source('a')]))[0]).toMatchObject({ value: 1 })
  })

  it('answers in two pieces are put together', async () => {
    const line = await startTamperedLine(plc.port)
    onTestFinished(() => line.stop())
    plc.set('a', DataType.Double, 1)
    // One after the other: the server may send its next answer before the rest of this one has passed.
    let passed: Promise<unknown> = Promise.resolve()
    line.tamper = (answer, pass) => {
      passed = passed.then(async () => {
        pass(answer.subarray(0, 9))
        await wait(5)
        pass(answer.subarray(9))
      })
    }
    const driver = open({ endpoint: `opc.tcp://127.0.0.1:${line.port}` })
    await driver.connect()
    expect((await driver.read([source('a')]))[0]).toMatchObject({ value: 1 })
  })

  it('a server that is not there, and a read without a connection', async () => {
    const driver = open({ endpoint: 'opc.tcp://127.0.0.1:1' })
    await expect(driver.connect()).rejects.toThrow(/ECONNREFUSED|refused/i)
    await expect(driver.read([source('a')])).rejects.toThrow('not connected')
  })
})
